import type {ProviderSpec} from '../core/provider-spec.ts'
import {spec as awsSsm} from './aws-ssm/spec.ts'
import {spec as aws} from './aws/spec.ts'
import {spec as azure} from './azure/spec.ts'
import {spec as gcp} from './gcp/spec.ts'
import {spec as hashicorp} from './hashicorp/spec.ts'
import {spec as local} from './local/spec.ts'
import type {ProviderDefinition} from './provider.ts'

type Entry = {
  readonly spec: ProviderSpec
  /** Nothing of a provider but its spec is loaded before it is used. */
  readonly load: () => Promise<{readonly provider: ProviderDefinition}>
}

/** Adding a provider: write its folder, add its line. */
export const registry = {
  azure: {spec: azure, load: () => import('./azure/index.ts')},
  aws: {spec: aws, load: () => import('./aws/index.ts')},
  hashicorp: {spec: hashicorp, load: () => import('./hashicorp/index.ts')},
  gcp: {spec: gcp, load: () => import('./gcp/index.ts')},
  local: {spec: local, load: () => import('./local/index.ts')},
  'aws-ssm': {spec: awsSsm, load: () => import('./aws-ssm/index.ts')},
} satisfies Record<string, Entry>

export type ProviderId = keyof typeof registry
