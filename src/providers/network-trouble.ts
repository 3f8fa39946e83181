/** Codes of Node's sockets and resolver for a server that can't be reached. Source: nodejs.org/api/errors.html, common system errors. */
const unreachable: ReadonlySet<string> = new Set([
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
])

/** OpenSSL's verdicts on a certificate, as Node names them (nodejs.org/api/tls.html, X509 certificate error codes), and failed handshakes. */
const tlsCode =
  /^(?:CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_SELF_SIGNED_CERT$|SELF_SIGNED_CERT_IN_CHAIN$|INVALID_CA$|INVALID_PURPOSE$|PATH_LENGTH_EXCEEDED$|HOSTNAME_MISMATCH$|ERROR_IN_CERT_|ERR_TLS_|ERR_SSL_|EPROTO$)/

/**
 * Tells trouble of the network from an answer of the service, by the `code` of the error or of one of its causes.
 *
 * @returns the code for it and Node's own (`ECONNREFUSED`), or `undefined` if it is something else.
 */
export function networkTrouble(
  error: unknown,
): {readonly code: 'UNREACHABLE' | 'TLS_REFUSED'; readonly detail: string} | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 10; at = at.cause, depth++) {
    const detail = (at as NodeJS.ErrnoException).code
    if (typeof detail !== 'string') continue
    if (unreachable.has(detail)) return {code: 'UNREACHABLE', detail}
    if (tlsCode.test(detail)) return {code: 'TLS_REFUSED', detail}
  }
  return undefined
}
