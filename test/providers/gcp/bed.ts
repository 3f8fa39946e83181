import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {afterAll} from 'vitest'

import type {Host} from '../../../src/core/provider-spec.ts'
import {provider} from '../../../src/providers/gcp/index.ts'
import type {Provider} from '../../../src/providers/provider.ts'
import {type FakeGcp, project} from '../../fakes/gcp.ts'
import {testHost} from '../contract.ts'

const root = mkdtempSync(join(tmpdir(), 'envdrift-gcp-'))
afterAll(() => rmSync(root, {recursive: true, force: true}))

/** An empty directory that is gone when the tests of a file are done. */
export const temporaryDirectory = (): string => mkdtempSync(join(root, 'directory-'))

/** Google's library reads the process's environment: nothing of this machine's may be left in it, nor in its home. */
export function clearGoogleEnvironment(): void {
  for (const name of Object.keys(process.env)) {
    if (/^(GOOGLE_|GCLOUD_|CLOUDSDK_|GCE_|GRPC_|(https?|no|grpc|all)_proxy$)/i.test(name)) delete process.env[name]
  }
  process.env['HOME'] = temporaryDirectory()
  // Else the library would look for a metadata server at 169.254.169.254.
  process.env['METADATA_SERVER_DETECTION'] = 'none'
}

/** Writes a credential file, and makes it the process's. */
export function logInWith(credentials: object): void {
  const path = join(temporaryDirectory(), 'credentials.json')
  writeFileSync(path, JSON.stringify(credentials), {mode: 0o600})
  process.env['GOOGLE_APPLICATION_CREDENTIALS'] = path
}

export const connectTo = (fake: FakeGcp, host: Partial<Host> = {}): Promise<Provider> =>
  provider.connect({name: 'default', settings: {project_id: project.id, api_endpoint: fake.endpoint}}, testHost(host))
