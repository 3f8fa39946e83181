import {expect, it} from 'vitest'

import {loadConfig} from '../../src/config/load.ts'
import {variableOf} from '../../src/config/variables.ts'
import {spec} from '../../src/providers/aws/spec.ts'
import {makePlace, specs} from './place.ts'

const two = {...specs, 'aws-two': spec}

it('a provider with a hyphen in its name has variables that a shell can set', () => {
  expect(variableOf('aws-two', 'batch', spec.settings['batch']!)).toBe('ENVDRIFT_AWS_TWO_BATCH')
})

it('a provider with a hyphen in its name has its table, its variables and named vaults', async () => {
  const place = await makePlace()
  await place.write(
    'home/repo/envdrift.toml',
    [
      '[vault]\nprovider = "aws-two"\n[vault.aws-two]\nregion = "eu-west-1"',
      '[vaults.team]\nprovider = "aws-two"\nregion = "us-west-2"',
      '[[vault.sync.mappings]]\nsecret_name = "a"\nfolder_path = "a"',
      '[[vault.sync.mappings]]\nsecret_name = "b"\nfolder_path = "b"\nvault_name = "team"\n',
    ].join('\n'),
  )
  const {vaults, warnings} = await loadConfig({}, place.port({env: {ENVDRIFT_AWS_TWO_BATCH: 'off'}}), two)
  expect(warnings).toEqual([])
  expect([...vaults.values()]).toMatchObject([
    {name: 'default', provider: 'aws-two', settings: {region: 'eu-west-1', batch: 'off'}},
    {name: 'team', provider: 'aws-two', settings: {region: 'us-west-2'}},
  ])
})

it('a provider that was added is among those that a list of pairs can be read with', async () => {
  const place = await makePlace()
  const path = await place.write('home/repo/pair.txt', 'a=b\n')
  const loading = loadConfig({config: path}, place.port(), two)
  await expect(loading).rejects.toThrow(/-p \(azure, aws, hashicorp, gcp, local or aws-two\)/)
})
