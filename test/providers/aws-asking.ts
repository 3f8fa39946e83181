import type {SecretRef} from '../../src/core/mapping.ts'

export const ref = (name: string, version?: string): SecretRef => ({
  vault: 'default',
  name,
  ...(version !== undefined && {version}),
})

/** Of a run that nobody interrupts. */
export const signal = new AbortController().signal
