/* A program for tests: reads the secrets that are named on the command line, once, and prints what it got as JSON. It is a
   process of its own, because Node and gRPC take certificates, proxies and log levels from the environment at their start. */
import type {Host} from '../../../src/core/provider-spec.ts'
import {provider} from '../../../src/providers/gcp/index.ts'

const [project = '', ...names] = process.argv.slice(2)
const host: Host = {
  env: process.env,
  home: process.env['HOME'] ?? '/nonexistent',
  maxInFlight: 16,
  callTimeoutMs: Number(process.env['TEST_CALL_TIMEOUT_MS'] ?? 20_000),
  interactive: false,
  warn: () => {},
  vaultPassword: () => Promise.reject(new Error('This program has no embedded vault')),
}
const {read, whoami, close} = await provider.connect({name: 'default', settings: {project_id: project}}, host)
const never = new AbortController().signal
const answers: Record<string, string> = {}
for await (const answer of read(
  names.map((name) => ({vault: 'default', name})),
  never,
)) {
  switch (answer.kind) {
    case 'found':
      // The length, not the value: what this program prints is searched for the value.
      answers[answer.ref.name] = `found ${answer.value.reveal().length} characters`
      break
    case 'absent':
      answers[answer.ref.name] = 'absent'
      break
    case 'failed':
      answers[answer.ref.name] = `${answer.error.code} ${answer.error.message}`
  }
}
const {who, credential} = await whoami(never).catch(() => ({who: 'nobody', credential: 'none'}))
process.stdout.write(`${JSON.stringify({answers, who, credential})}\n`)
await close()
