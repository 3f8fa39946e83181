import {onTestFinished} from 'vitest'

import type {Host, Settings} from '../../../src/core/provider-spec.ts'
import {provider as ssm} from '../../../src/providers/aws-ssm/index.ts'
import type {Provider} from '../../../src/providers/provider.ts'
import {testHost} from '../contract.ts'
import {startSsmBed, type SsmBed} from './bed.ts'

/** A bed that is gone when the test has ended. */
export async function start(): Promise<SsmBed> {
  const bed = await startSsmBed()
  onTestFinished(bed.stop)
  return bed
}

/** A provider that is closed when the test has ended. */
export async function connect(settings: Settings = {region: 'us-east-1'}, host: Partial<Host> = {}): Promise<Provider> {
  const provider = await ssm.connect({name: 'default', settings}, testHost(host))
  onTestFinished(provider.close)
  return provider
}
