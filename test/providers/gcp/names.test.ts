import {describe, expect, it} from 'vitest'

import type {Settings} from '../../../src/core/provider-spec.ts'
import {endpointOf} from '../../../src/providers/gcp/endpoint.ts'
import {
  parentOf,
  resourceNameOf,
  secretOf,
  versionAnswered,
  versionOf,
} from '../../../src/providers/gcp/resource-name.ts'
import {spec} from '../../../src/providers/gcp/spec.ts'

describe('resourceNameOf', () => {
  it.each([
    [{name: 'myapp-key'}, 'projects/here/secrets/myapp-key/versions/latest'],
    [{name: 'myapp-key', version: '7'}, 'projects/here/secrets/myapp-key/versions/7'],
    [{name: 'myapp-key', version: 'stable'}, 'projects/here/secrets/myapp-key/versions/stable'],
    [{name: 'projects/other/secrets/x'}, 'projects/other/secrets/x/versions/latest'],
    [{name: 'projects/other/secrets/x/versions/3'}, 'projects/other/secrets/x/versions/3'],
    [{name: 'projects/other/secrets/x/versions/3', version: '3'}, 'projects/other/secrets/x/versions/3'],
    [
      {name: 'projects/p/locations/europe-west3/secrets/x'},
      'projects/p/locations/europe-west3/secrets/x/versions/latest',
    ],
  ])('C114 takes %o for a version of a secret', (reference, expected) => {
    expect(versionOf(resourceNameOf('here', reference)!)).toBe(expected)
  })

  it.each([
    {name: 'projects/other'},
    {name: 'projects/other/secrets/'},
    {name: 'projects/other/secrets/x/versions'},
    {name: 'projects/other/secrets/x/versions/1', version: '2'},
    {name: 'projects/p/locations/Europe/secrets/x'},
    {name: 'team/app/key'},
    {name: 'a name'},
    {name: ''},
    {name: 'x', version: '1/../../y'},
    {name: 'x', version: ''},
  ])('C114 takes %o for no name at all', (reference) => {
    expect(resourceNameOf('here', reference)).toBeUndefined()
  })

  it('says where a regional secret lies', () => {
    const name = resourceNameOf('here', {name: 'projects/p/locations/europe-west3/secrets/x'})!
    expect(parentOf(name)).toBe('projects/p/locations/europe-west3')
    expect(secretOf(name)).toBe('projects/p/locations/europe-west3/secrets/x')
  })
})

describe('a location of its own', () => {
  it('is where names without one lie', () => {
    expect(versionOf(resourceNameOf('here', {name: 'x'}, 'europe-west3')!)).toBe(
      'projects/here/locations/europe-west3/secrets/x/versions/latest',
    )
    expect(versionOf(resourceNameOf('here', {name: 'projects/here/secrets/x'}, 'europe-west3')!)).toBe(
      'projects/here/secrets/x/versions/latest',
    )
  })
})

describe('settings', () => {
  const problems = (settings: Settings): readonly (string | undefined)[] =>
    spec
      .resolve({settings: {project_id: 'my-project', ...settings}, origins: {}, env: {}, ci: false, trustedVaults: []})
      .problems.map(({setting}) => setting)

  it.each([
    {location: 'europe-west3'},
    {impersonate_service_account: 'ci@my-project.iam.gserviceaccount.com'},
    {impersonate_service_account: '424242424242-compute@developer.gserviceaccount.com'},
    {quota_project: 'other-project'},
    {quota_project: '424242424242'},
    {credentials_file: '/home/me/key.json'},
  ])('may be %o', (settings) => {
    expect(problems(settings)).toEqual([])
  })

  it.each([
    {location: 'europe-west3.rep.example.com/'},
    {location: 'evil.example#'},
    {location: ''},
    {impersonate_service_account: 'ci'},
    {impersonate_service_account: '../../x:signBlob?@y'},
    {impersonate_service_account: 'ci@my-project.iam.gserviceaccount.com/keys'},
    {quota_project: 'my project'},
    {quota_project: 'my-project\r\nauthorization: x'},
  ])('may not be %o, since it becomes part of an address or a header', (settings) => {
    expect(problems(settings)).toEqual(Object.keys(settings))
  })

  it('are of the machine where they name files or endpoints, and of the repository where they name roles and places', () => {
    const trust = Object.fromEntries(Object.entries(spec.settings).map(([name, setting]) => [name, setting.trust]))
    expect(trust).toEqual({
      project_id: 'repository',
      location: 'repository',
      credentials_file: 'machine',
      impersonate_service_account: 'repository',
      quota_project: 'repository',
      api_endpoint: 'machine',
    })
  })
})

describe('versionAnswered', () => {
  const asked = resourceNameOf('here', {name: 'x'})!

  it('gives the version of an answer that has the number of the project', () => {
    expect(versionAnswered('projects/424242/secrets/x/versions/12', asked)).toBe('12')
  })

  it.each(['projects/424242/secrets/y/versions/12', 'projects/1/locations/europe-west3/secrets/x/versions/1', '', 'x'])(
    'does not take %j for an answer about x',
    (answered) => {
      expect(versionAnswered(answered, asked)).toBeUndefined()
    },
  )
})

describe('endpointOf', () => {
  it.each([
    ['secretmanager.example.com', {host: 'secretmanager.example.com', port: 443, plain: false}],
    ['secretmanager.example.com:8443', {host: 'secretmanager.example.com', port: 8443, plain: false}],
    ['https://127.0.0.1:8443', {host: '127.0.0.1', port: 8443, plain: false}],
    ['http://127.0.0.1:9000', {host: '127.0.0.1', port: 9000, plain: true}],
    ['http://[::1]:9000', {host: '[::1]', port: 9000, plain: true}],
  ])('takes %s', (written, endpoint) => {
    expect(endpointOf(written)).toEqual(endpoint)
  })

  it.each([
    'http://secretmanager.example.com',
    'http://127.0.0.1.example.com:9000',
    'http://localhost:9000',
    'http://127.0.0.1@example.com:9000',
    'https://user:pass@example.com',
    'https://example.com/path',
    'ftp://example.com',
    'unix:/run/fake.sock',
    '',
  ])('sends no token to %j', (written) => {
    expect(endpointOf(written)).toBeUndefined()
  })
})
