/** The part of the package that we use; it ships no types. Never `parse`: that one runs `$(command)` it meets. */
declare module '@dotenvx/primitives' {
  const primitives: {
    readonly derive: (privateKey: string) => string
    /** Errors carry `code`: WRONG_PRIVATE_KEY, MALFORMED_ENCRYPTED_DATA, DECRYPTION_FAILED and others. */
    readonly decrypt: (privateKey: string, value: string) => string
    readonly encrypt: (publicKey: string, text: string) => string
    readonly keypair: () => {readonly publicKey: string; readonly privateKey: string}
    readonly scan: (text: string) => {readonly scanned: Readonly<Record<string, readonly string[]>>}
    readonly sealed: (text: string) => boolean
    readonly publickeys: (text: string) => readonly string[]
  }
  export default primitives
}
