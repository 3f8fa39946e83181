/** Castagnoli's polynomial, bits reversed (RFC 3720, appendix B.4). `node:zlib`'s crc32 has another one. */
const polynomial = 0x82f63b78

const table = Uint32Array.from({length: 256}, (_, byte) => {
  let remainder = byte
  for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ polynomial : remainder >>> 1
  return remainder
})

/** CRC32C of some bytes, as Secret Manager sends it along with a payload: a number from 0 to 2³²−1. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crc >>> 8) ^ table[(crc ^ byte) & 0xff]!
  return (crc ^ 0xffffffff) >>> 0
}
