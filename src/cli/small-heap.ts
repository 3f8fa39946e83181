import {setFlagsFromString} from 'node:v8'

/** A configuration of a thousand mappings has some 100 KB; below this the heap never grows far, in characters. */
const largeText = 256 * 1024

/**
 * Has V8 collect garbage earlier from now on, where a configuration is so large that it matters: a verify of 10,000 mappings
 * holds 25 MB and takes 200 of the machine, since the young generation grows to 64 MB, and the old one is let grow to several
 * times what is alive in it. Both flags are asked at each collection, so that they may change at any time; one that a
 * later V8 doesn't know is passed over.
 */
export function keepHeapSmall(configuration: string | undefined): void {
  if (configuration === undefined || configuration.length < largeText) return
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString('--optimize-for-size')
}
