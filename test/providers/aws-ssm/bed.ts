import {provider} from '../../../src/providers/aws-ssm/index.ts'
import {startSsmFake, type SsmFake} from '../../fakes/aws-ssm.ts'
import {logInByKeys, startCommonBed} from '../aws-bed.ts'
import {emptyAwsEnvironment} from '../aws-environment.ts'
import type {Bed} from '../contract.ts'

export type SsmBed = Required<Omit<Bed, 'seedBinary' | 'disable' | 'remove' | 'destroy'>> & {readonly fake: SsmFake}

/** A fake with its address and access keys in the environment. */
export async function startSsmBed(): Promise<SsmBed> {
  await emptyAwsEnvironment()
  logInByKeys()
  const fake = await startSsmFake()
  const common = await startCommonBed(fake, {
    provider,
    settings: {region: 'us-east-1'},
    internalError: 'InternalServerError',
    reading: ['GetParameters'],
  })
  return {...common, fake, largest: 8192, badName: 'team/myapp', logins: () => 0}
}
