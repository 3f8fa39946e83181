import {createHash} from 'node:crypto'
import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import {vi} from 'vitest'

import type {Settings} from '../../../src/core/provider-spec.ts'
import {provider} from '../../../src/providers/aws/index.ts'
import {startAwsFake, type AwsFake} from '../../fakes/aws.ts'
import {logInByKeys, startCommonBed} from '../aws-bed.ts'
import {emptyAwsEnvironment} from '../aws-environment.ts'
import type {Bed} from '../contract.ts'

export type AwsBed = Required<Omit<Bed, 'disable' | 'destroy'>> & {
  readonly fake: AwsFake
  readonly home: string
  /** Replaces ~/.aws/config. */
  readonly writeConfig: (text: string) => Promise<void>
  /** Leaves a token of a single sign-on where `aws sso login` does. */
  readonly writeSsoToken: (
    session: string,
    token: {readonly accessToken: string; readonly expiresInMs: number},
  ) => Promise<void>
  /** A file in the home directory. @returns its path. */
  readonly writeFile: (name: string, text: string) => Promise<string>
}

/** A fake with its address and a login in the environment: keys, or a role behind a web identity token file. */
export async function startAwsBed({
  login = 'keys',
  settings = {region: 'us-east-1'},
}: {readonly login?: 'keys' | 'web identity' | 'none'; readonly settings?: Settings} = {}): Promise<AwsBed> {
  const home = await emptyAwsEnvironment()
  const fake = await startAwsFake()
  const common = await startCommonBed(fake, {
    provider,
    settings,
    internalError: 'InternalServiceError',
    reading: ['GetSecretValue', 'BatchGetSecretValue'],
  })
  if (login === 'keys') logInByKeys()
  if (login === 'web identity') {
    const file = join(home, 'web-identity-token')
    await writeFile(file, fake.webIdentityToken)
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', file)
    vi.stubEnv('AWS_ROLE_ARN', 'arn:aws:iam::123456789012:role/myapp-ci')
  }

  return {
    ...common,
    fake,
    home,
    async writeConfig(text) {
      await mkdir(join(home, '.aws'), {recursive: true})
      await writeFile(join(home, '.aws/config'), text)
    },
    async writeSsoToken(session, {accessToken, expiresInMs}) {
      const cache = join(home, '.aws/sso/cache')
      await mkdir(cache, {recursive: true})
      const token = {
        accessToken,
        expiresAt: new Date(Date.now() + expiresInMs).toISOString(),
        startUrl: 'https://team.example/start',
        region: 'us-east-1',
      }
      await writeFile(join(cache, `${createHash('sha1').update(session).digest('hex')}.json`), JSON.stringify(token))
    },
    async writeFile(name, text) {
      await writeFile(join(home, name), text)
      return join(home, name)
    },
    seedBinary: async (name, bytes) => void fake.put(name, bytes),
    rejectLogin: async () =>
      login === 'keys'
        ? common.rejectLogin()
        : fake.reject({
            type: 'AccessDenied',
            status: 403,
            message: 'Not authorized to perform sts:AssumeRoleWithWebIdentity',
          }),
    remove: async (name) => fake.remove(name),
    largest: 65_536,
    badName: 'myapp production',
    logins: () => fake.requests().filter(({operation}) => operation === 'AssumeRoleWithWebIdentity').length,
  }
}
