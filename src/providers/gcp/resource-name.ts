import {fullSecretName} from './spec.ts'

/** One version of one secret, as Secret Manager names it. */
export type ResourceName = {
  readonly project: string
  /** Of a regional secret; each location has an endpoint of its own. */
  readonly location: string | undefined
  readonly secret: string
  /** A number, an alias or `latest`. */
  readonly version: string
}

/**
 * Where a secret's name points: `NAME` is a secret of `project` (in `location`, if one is given); a full name (`projects/P/secrets/S`,
 * `projects/P/locations/L/secrets/S`, both with or without `/versions/V`) is used as it is.
 *
 * @param version - of the reference; a version in the name itself says the same thing, so both together must agree.
 * @returns `undefined` for what is neither, before anything is sent anywhere.
 */
export function resourceNameOf(
  project: string,
  {name, version}: {readonly name: string; readonly version?: string},
  location?: string,
): ResourceName | undefined {
  const place = location === undefined ? '' : `locations/${location}/`
  const full = name.includes('/') ? name : `projects/${project}/${place}secrets/${name}`
  const parts = fullSecretName.exec(full)?.groups
  if (!parts || (version !== undefined && !/^[\w-]+$/.test(version))) return undefined
  if (version !== undefined && parts['version'] !== undefined && parts['version'] !== version) return undefined
  return {
    project: parts['project']!,
    location: parts['location'],
    secret: parts['secret']!,
    version: version ?? parts['version'] ?? 'latest',
  }
}

/** `projects/P` or `projects/P/locations/L`: where a secret is created. */
export const parentOf = ({project, location}: ResourceName): string =>
  location === undefined ? `projects/${project}` : `projects/${project}/locations/${location}`

export const secretOf = (name: ResourceName): string => `${parentOf(name)}/secrets/${name.secret}`

export const versionOf = (name: ResourceName): string => `${secretOf(name)}/versions/${name.version}`

/** As people know it: `GCP Secret Manager project my-project in europe-west3`. */
export const placeOf = ({project, location}: Pick<ResourceName, 'project' | 'location'>): string =>
  `GCP Secret Manager project ${project}${location === undefined ? '' : ` in ${location}`}`

/** The flags of `gcloud secrets` that say where a secret lies. */
export const gcloudFlags = ({project, location}: ResourceName): string =>
  location === undefined ? `--project=${project}` : `--project=${project} --location=${location}`

/**
 * The version number at the end of a name that the service returned.
 *
 * @returns `undefined` when the answer is about another secret than `asked`. The project may differ in spelling: the
 *   service answers with its number.
 */
export function versionAnswered(answered: string, asked: ResourceName): string | undefined {
  const parts = fullSecretName.exec(answered)?.groups
  if (parts?.['secret'] !== asked.secret || parts['location'] !== asked.location) return undefined
  return parts['version']
}
