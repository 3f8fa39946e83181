import {expect, it} from 'vitest'

import {crc32c} from '../../../src/providers/gcp/crc32c.ts'

it.each([
  // RFC 3720, appendix B.4, which prints the bytes of each in the order of the wire
  ['32 bytes of zeroes', Buffer.alloc(32, 0x00), 0x8a9136aa],
  ['32 bytes of ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
  ['32 bytes that count up', Buffer.from(Array.from({length: 32}, (_, n) => n)), 0x46dd794e],
  ['32 bytes that count down', Buffer.from(Array.from({length: 32}, (_, n) => 31 - n)), 0x113fdb5c],
  // the check value of CRC-32/ISCSI in the catalogue of parametrised CRC algorithms
  ['the nine digits', Buffer.from('123456789'), 0xe3069283],
  ['nothing', Buffer.alloc(0), 0],
])('gives the published checksum of %s', (_, bytes, checksum) => {
  expect(crc32c(bytes)).toBe(checksum)
})
