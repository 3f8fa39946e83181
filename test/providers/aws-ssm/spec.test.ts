import {expect, it} from 'vitest'

import type {Settings} from '../../../src/core/provider-spec.ts'
import {spec} from '../../../src/providers/aws-ssm/spec.ts'

const problems = (settings: Settings): readonly string[] =>
  spec.resolve({settings, env: {}, origins: {}, ci: true, trustedVaults: []}).problems.map(({text}) => text)

it.each([
  [{external_id: 'myapp-4711'}, /^external_id does nothing without role_arn/],
  [{endpoint_url: 'vpce.example'}, /^endpoint_url must be an address/],
  [{region: 'Frankfurt'}, /^region is not the name of an AWS region/],
])('refuses %j', (settings, text) => {
  expect(problems(settings)).toEqual([expect.stringMatching(text)])
})

it('lets a repository choose role and region, and no address', () => {
  const ofMachine = Object.entries(spec.settings).filter(([, {trust}]) => trust === 'machine')
  expect(ofMachine.map(([name]) => name)).toEqual(['endpoint_url'])
})

it.each([
  ['myapp production', undefined, /may hold letters/],
  ['myapp@production', undefined, /may hold letters/],
  ['myapp:3', undefined, /no colon: write the version into secret_version/],
  ['arn:aws:ssm:eu-west-1:123456789012:parameter/myapp:3', undefined, /no colon/],
  ['team/myapp', undefined, /slash at its start/],
  ['/team//myapp', undefined, /two slashes/],
  ['/team/myapp/', undefined, /one at its end/],
  [`/${'a/'.repeat(15)}b`, undefined, /more than the 15 levels/],
  [`/${'k'.repeat(967)}`, undefined, /longer than the 967 characters/],
  ['awsTest', undefined, /begins with aws or ssm/],
  ['/SSM/key', undefined, /begins with aws or ssm/],
  ['/aws/reference/secretsmanager/myapp', undefined, /begins with aws or ssm/],
  ['arn:aws:s3:::myapp', undefined, /none of Parameter Store/],
  ['arn:aws:ssm:cn-north-1:123456789012:parameter/myapp', undefined, /partition aws, but .* is in aws-cn/],
  ['myapp', '0', /neither the number nor a label/],
  ['myapp', '3rd', /neither the number nor a label/],
  ['myapp', 'aws-one', /neither the number nor a label/],
  ['myapp', 'l'.repeat(101), /neither the number nor a label/],
])('refuses the name %j with version %j', (name, version, why) => {
  expect(spec.checkSecretName(name, version)).toMatch(why)
})

it.each([
  ['app-key', undefined],
  ['/team/app/key', '12'],
  [`/${'a/'.repeat(14)}b`, undefined],
  [`/${'k'.repeat(966)}`, undefined],
  ['team.my_app-KEY1', 'prod_2026.1'],
  ['arn:aws-us-gov:ssm:us-gov-west-1:123456789012:parameter/team/app', 'stable'],
])('takes the name %j with version %j', (name, version) => {
  expect(spec.checkSecretName(name, version)).toBeUndefined()
})
