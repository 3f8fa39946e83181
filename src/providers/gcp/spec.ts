import type {Problem, ProviderSpec} from '../../core/provider-spec.ts'
import {endpointOf} from './endpoint.ts'

/** A project's id, as people write it (6 to 30 characters, with an older `domain.com:` before it), or its number. */
const projectId = /^(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$|^\d{1,20}$/

/**
 * A secret by its full name, global or regional, perhaps with a version or an alias of one.
 *
 * Source: https://cloud.google.com/secret-manager/docs/reference/rest
 */
export const fullSecretName =
  /^projects\/(?<project>[^/]+)(?:\/locations\/(?<location>[a-z0-9-]+))?\/secrets\/(?<secret>[A-Za-z0-9_-]{1,255})(?:\/versions\/(?<version>[A-Za-z0-9_-]{1,63}))?$/

/** What goes into the address that gets our token, or into a header beside it. */
const shapes: Readonly<Record<string, {readonly is: RegExp; readonly what: string}>> = {
  location: {is: /^[a-z][a-z0-9-]{1,40}$/, what: 'a location of Google Cloud, like europe-west3'},
  impersonate_service_account: {
    is: /^[a-z0-9][a-z0-9-]*@[a-z0-9.-]+$/,
    what: 'the email of a service account, like NAME@PROJECT.iam.gserviceaccount.com',
  },
  quota_project: {is: projectId, what: 'the id of a Google Cloud project, like my-project-1'},
}

export const spec: ProviderSpec = {
  title: 'GCP Secret Manager',
  settings: {
    project_id: {
      type: 'string',
      trust: 'repository',
      variable: 'ENVDRIFT_PROJECT_ID',
      summary: 'Project of the secrets that have no full name. Else GOOGLE_CLOUD_PROJECT, GCLOUD_PROJECT.',
    },
    location: {
      type: 'string',
      trust: 'repository',
      summary:
        'Location of the secrets that have no full name, when they are regional: europe-west3. Default: global secrets.',
    },
    credentials_file: {
      type: 'path',
      trust: 'machine',
      summary: 'Credential file of Google, instead of GOOGLE_APPLICATION_CREDENTIALS.',
    },
    impersonate_service_account: {
      type: 'string',
      trust: 'repository',
      summary: 'Email of a service account to act as.',
    },
    quota_project: {
      type: 'string',
      trust: 'repository',
      summary:
        'Project that requests are counted against. Else GOOGLE_CLOUD_QUOTA_PROJECT, then that of the credential file.',
    },
    api_endpoint: {
      type: 'string',
      trust: 'machine',
      summary:
        'Host, or host:port, of another server that speaks the protocol, or http://127.0.0.1:PORT. Default: the service of the location.',
    },
  },
  flags: {'project-id': 'project_id'},
  slashInNames: false,
  checkSecretName: (name, version) => {
    if (name.startsWith('projects/')) {
      const parts = fullSecretName.exec(name)?.groups
      if (parts?.['project'] === undefined || !projectId.test(parts['project']))
        return 'is not a full name: write projects/PROJECT/secrets/NAME or projects/PROJECT/locations/LOCATION/secrets/NAME'
      return parts['version'] !== undefined && version !== undefined && parts['version'] !== version
        ? 'names one version and secret_version another: keep one of them'
        : undefined
    }
    if (name.length > 255) return 'is longer than the 255 characters that GCP Secret Manager allows'
    return /^[A-Za-z0-9_-]+$/.test(name)
      ? undefined
      : 'may hold letters, digits, hyphens and underscores only, or be a full name like projects/PROJECT/secrets/NAME (GCP Secret Manager)'
  },
  resolve: ({settings, env}) => {
    const problems: Problem[] = []
    const project = settings['project_id'] ?? trimmed(env['GOOGLE_CLOUD_PROJECT']) ?? trimmed(env['GCLOUD_PROJECT'])
    if (project === undefined) {
      problems.push({
        text: 'GCP Secret Manager needs a project: set project_id in [vault.gcp], set GOOGLE_CLOUD_PROJECT, or pass --project-id',
      })
    } else if (typeof project !== 'string' || !projectId.test(project)) {
      problems.push({
        setting: 'project_id',
        text: 'project_id is not the id of a Google Cloud project, like my-project-1',
      })
    }
    for (const [setting, {is, what}] of Object.entries(shapes)) {
      const value = settings[setting]
      if (typeof value === 'string' && !is.test(value)) problems.push({setting, text: `${setting} is not ${what}`})
    }
    const endpoint = settings['api_endpoint']
    if (typeof endpoint === 'string' && !endpointOf(endpoint)) {
      problems.push({
        setting: 'api_endpoint',
        text: 'api_endpoint must be a host or host:port; without TLS (http://) only a server on this machine, by its address',
      })
    }
    return {settings: project === undefined ? settings : {...settings, project_id: project}, problems, warnings: []}
  },
}

function trimmed(value: string | undefined): string | undefined {
  const text = value?.trim()
  return text === '' ? undefined : text
}
