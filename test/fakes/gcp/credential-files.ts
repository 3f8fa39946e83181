/* The credential files of the fake's logins, as Google's tools write them. */

export type CredentialFiles = {
  /** A service account's key, with an RSA key made for this run. */
  readonly serviceAccount: object
  /** Workload identity federation with a token in a file, as `gcloud iam workload-identity-pools create-cred-config` writes it. */
  readonly workloadIdentity: object
  /** The same with a token from an address, as google-github-actions/auth writes it. */
  readonly workloadIdentityByUrl: object
  /** The same on behalf of a service account. */
  readonly workloadIdentityImpersonating: object
  /** The file of `gcloud auth application-default login`; its tokens come from https://oauth2.googleapis.com alone. */
  readonly userLogin: object
  /** The file of `gcloud auth application-default login --impersonate-service-account`. */
  readonly impersonation: object
}

type Facts = {
  /** Of the workload identity pool: its provider's full name. */
  readonly audience: string
  readonly subjectTokenFile: string
  /** The email of the account that others act as. */
  readonly deployer: string
  /** What the CI system wants to see before it hands out a token. */
  readonly requestToken: string
  readonly user: {readonly clientId: string; readonly clientSecret: string; readonly refreshToken: string}
  readonly account: {readonly email: string; readonly keyId: string; readonly privatePem: string}
}

/** @param base - where the fake listens. */
export function credentialFiles(
  base: string,
  {audience, subjectTokenFile, deployer, requestToken, user, account}: Facts,
): CredentialFiles {
  const federation = {
    universe_domain: 'googleapis.com',
    type: 'external_account',
    audience,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: `${base}/v1/token`,
  }
  const target = `${base}/v1/projects/-/serviceAccounts/${deployer}:generateAccessToken`
  const userLogin = {
    account: '',
    type: 'authorized_user',
    client_id: user.clientId,
    client_secret: user.clientSecret,
    refresh_token: user.refreshToken,
    universe_domain: 'googleapis.com',
  }
  const serviceAccount = {
    type: 'service_account',
    project_id: 'myapp-project',
    private_key_id: account.keyId,
    private_key: account.privatePem,
    client_email: account.email,
    client_id: '100000000000000000001',
    // The SDK signs its tokens itself, and reads no token_uri.
    token_uri: `${base}/token`,
    universe_domain: 'googleapis.com',
  }
  return {
    serviceAccount,
    userLogin,
    workloadIdentity: {...federation, credential_source: {file: subjectTokenFile}},
    workloadIdentityByUrl: {
      ...federation,
      credential_source: {
        url: `${base}/oidc?audience=${encodeURIComponent(`https:${audience}`)}`,
        headers: {Authorization: `Bearer ${requestToken}`},
        format: {type: 'json', subject_token_field_name: 'value'},
      },
    },
    workloadIdentityImpersonating: {
      ...federation,
      credential_source: {file: subjectTokenFile},
      service_account_impersonation_url: target,
    },
    impersonation: {
      type: 'impersonated_service_account',
      delegates: [],
      service_account_impersonation_url: target,
      source_credentials: serviceAccount,
    },
  }
}
