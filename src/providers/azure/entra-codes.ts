/** What a number of Entra's means, and what to do now. */
type Meaning = {readonly text: string; readonly remedy: string}

const clock =
  'Set the clock of this machine: Entra compares it with its own, and the times in our assertion do not fit.'
const federation =
  'Compare issuer, subject and audience of the token with those of the federated credential: `az ad app federated-credential list --id CLIENT-ID`.'
const byHand = 'Log in again, answering what it asks: `az login`.'
const otherCloud =
  'Set cloud under [vault.azure] to the cloud that the application is registered in, and take a vault of the same cloud.'

/**
 * The refusals that people meet most, by the number in `error_codes`.
 *
 * Source: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
 */
const meanings: Readonly<Record<number, Meaning>> = {
  50034: {text: 'the tenant has no such user', remedy: byHand},
  50076: {text: 'a second factor is asked for', remedy: byHand},
  50079: {text: 'a second factor has to be set up first', remedy: byHand},
  50173: {text: 'the login has been revoked, as after a change of password', remedy: byHand},
  53003: {
    text: 'a conditional access policy forbids it',
    remedy: 'Ask an administrator of the tenant which policy it is: the sign-in log names it.',
  },
  65001: {
    text: 'nobody has consented to this application',
    remedy: 'Ask an administrator of the tenant to consent to it, or take another client_id.',
  },
  70021: {text: 'no federated credential fits the token', remedy: federation},
  90002: {
    text: 'there is no such tenant in this cloud',
    remedy:
      'Check tenant_id or AZURE_TENANT_ID, and cloud under [vault.azure]: `az account show --query tenantId` shows it.',
  },
  90038: {text: 'the tenant lies in another cloud', remedy: otherCloud},
  500011: {text: 'the tenant has no Key Vault of this cloud', remedy: otherCloud},
  700016: {
    text: 'the tenant has no such application',
    remedy:
      'Check client_id or AZURE_CLIENT_ID, and tenant_id or AZURE_TENANT_ID: `az ad app list --show-mine` shows them.',
  },
  700024: {text: 'the assertion is not valid now', remedy: clock},
  700027: {
    text: 'the application does not know the certificate',
    remedy: 'Register it: `az ad app credential reset --id CLIENT-ID --append --cert @FILE`.',
  },
  700211: {text: 'no federated credential has the issuer of the token', remedy: federation},
  700212: {text: 'no federated credential has the audience of the token', remedy: federation},
  700213: {text: 'no federated credential has the subject of the token', remedy: federation},
  900382: {text: 'the application lies in another cloud', remedy: otherCloud},
  7000112: {
    text: 'the application is disabled',
    remedy: 'Ask an administrator of the tenant to enable it.',
  },
  7000215: {
    text: 'the client secret is wrong',
    remedy:
      'Check AZURE_CLIENT_SECRET: it is the value of the secret and not its id. A new one: `az ad app credential reset --id CLIENT-ID --append`.',
  },
  7000222: {
    text: 'the client secret has expired',
    remedy: 'Make a new one, and set AZURE_CLIENT_SECRET to it: `az ad app credential reset --id CLIENT-ID --append`.',
  },
}

/** What the first known of these numbers means. */
export const meaningOf = (codes: readonly number[]): Meaning | undefined =>
  codes.map((code) => meanings[code]).find((meaning) => meaning !== undefined)

/** Does this host's answer look like one of Entra's? Its endpoints for machines answer in JSON, whatever they say. */
export function isOfEntra(body: string | null | undefined): boolean {
  try {
    return typeof JSON.parse(body ?? '') === 'object'
  } catch {
    return false
  }
}

/** `error_codes` of a refusal: numbers that Microsoft documents as AADSTS…. */
export function entraCodes(body: string | null | undefined): readonly number[] {
  try {
    const codes = (JSON.parse(body ?? '') as {error_codes?: unknown} | null)?.error_codes
    return Array.isArray(codes) ? codes.filter((code) => typeof code === 'number') : []
  } catch {
    return []
  }
}
