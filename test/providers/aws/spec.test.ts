import {expect, it} from 'vitest'

import type {Env, Settings} from '../../../src/core/provider-spec.ts'
import {spec} from '../../../src/providers/aws/spec.ts'

const problems = (settings: Settings, env: Env = {}): readonly string[] =>
  spec.resolve({settings, env, origins: {}, ci: true, trustedVaults: []}).problems.map(({text}) => text)

it.each([
  [{external_id: 'myapp-4711'}, /^external_id does nothing without role_arn/],
  [{role_arn: 'myapp-reader'}, /^role_arn must be the ARN of a role/],
  [{role_arn: 'arn:aws:iam::123456789012:user/ada'}, /^role_arn must be the ARN of a role/],
  [{role_arn: 'arn:aws:iam::123456789012:role/reader', external_id: 'x y'}, /^external_id may hold/],
  [{endpoint_url: 'vpce.example'}, /^endpoint_url must be an address/],
  [{endpoint_url: 'https://vpce.example', use_fips_endpoint: true}, /^use_fips_endpoint chooses the address/],
  [{endpoint_url: 'https://vpce.example', use_dualstack_endpoint: true}, /^use_dualstack_endpoint chooses/],
  [{region: 'Frankfurt'}, /^region is not the name of an AWS region/],
])('refuses %j', (settings, text) => {
  expect(problems(settings)).toEqual([expect.stringMatching(text)])
})

it.each([
  [{}],
  [{role_arn: 'arn:aws:iam::123456789012:role/team/reader', external_id: 'myapp:4711'}],
  [{role_arn: 'arn:aws-us-gov:iam::123456789012:role/reader'}],
  [{endpoint_url: 'https://vpce.example', use_fips_endpoint: false}],
  [{region: 'us-gov-west-1', use_fips_endpoint: true, batch: 'off'}],
])('takes %j', (settings) => {
  expect(problems(settings)).toEqual([])
})

it('lets a repository choose role, region and batches, and no address', () => {
  const trusted = Object.entries(spec.settings).filter(([, {trust}]) => trust === 'repository')
  expect(trusted.map(([name]) => name)).not.toContain('endpoint_url')
  expect(trusted.map(([name]) => name)).toEqual(expect.arrayContaining(['role_arn', 'region', 'batch']))
})

it.each([
  ['myapp production', undefined, /may hold letters/],
  ['k'.repeat(513), undefined, /longer than the 512/],
  ['arn:aws:s3:::myapp', undefined, /none of Secrets Manager/],
  ['arn:aws:secretsmanager:cn-north-1:123456789012:secret:myapp', undefined, /partition aws, but .* is in aws-cn/],
  ['arn:aws-cn:secretsmanager:eu-west-1:123456789012:secret:myapp', undefined, /partition aws-cn, but .* is in aws:/],
  ['myapp', 'v'.repeat(257), /longer than the 256/],
])('refuses the name %j with version %j', (name, version, why) => {
  expect(spec.checkSecretName(name, version)).toMatch(why)
})

it.each([
  ['team/myapp_production+1=@.!-', undefined],
  ['arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:team/myapp-AbCdEf', 'AWSPREVIOUS'],
])('takes the name %j', (name, version) => {
  expect(spec.checkSecretName(name, version)).toBeUndefined()
})
