import { crc32 } from 'node:zlib'
import t from 'tap'
import {
  decodePackHeader,
  decodeRecordHeader,
  encodePackHeader,
  encodeRecordHeader,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  recordLength,
} from '../../src/pack/format.js'

const packId = '0123456789abcdef'
const storeId = '00112233445566778899aabbccddeeff'
const header: RecordHeader = {
  kind: 'blob',
  digest: 'md5:5d41402abc4b2a76b9719d911017c592',
  encoding: 1,
  plainLength: Number.MAX_SAFE_INTEGER,
  storedLength: 2 ** 40,
}

/** A record header with bytes changed and its checksum made right again. */
function forge(change: (bytes: Buffer) => void): Buffer {
  const bytes = encodeRecordHeader(header)
  change(bytes)
  const checksum = crc32(bytes.subarray(RECORD_HEADER_BYTES), crc32(bytes.subarray(0, 24)))
  bytes.writeUInt32LE(checksum, 24)
  return bytes
}

function forgePackHeader(change: (bytes: Buffer) => void): Buffer {
  const bytes = encodePackHeader({ packId, storeId })
  change(bytes)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60)
  return bytes
}

t.test('headers come back as they were written', async t => {
  t.same(decodePackHeader(encodePackHeader({ packId, storeId })), { packId, storeId })
  t.same(decodeRecordHeader(encodeRecordHeader(header), 0), header)
  t.equal(recordLength(header), 28 + 16 + 2 ** 40 + 4)
  for (const kind of ['end', 'index'] as const) {
    const bare = { kind, digest: null, encoding: 0, plainLength: 0, storedLength: 0 } as const
    t.same(decodeRecordHeader(encodeRecordHeader(bare), 0), bare)
    t.equal(recordLength(bare), 32)
  }
})

t.test('a header says where it is wrong', async t => {
  const wrong: Record<string, Buffer> = {
    'another magic': forge(bytes => bytes.writeUInt8(0, 0)),
    'an unknown kind': forge(bytes => bytes.writeUInt8(4, 4)),
    'an unknown algorithm': forge(bytes => bytes.writeUInt8(9, 5)),
    'an algorithm of another length': forge(bytes => bytes.writeUInt8(3, 5)),
    'the reserved encoding': forge(bytes => bytes.writeUInt8(2, 6)),
    'lengths that differ, unencoded': forge(bytes => bytes.writeUInt8(0, 6)),
    'a digest that is too long': forge(bytes => bytes.writeUInt8(33, 7)),
    'a plain length beyond 2^53': forge(bytes => bytes.writeBigUInt64LE(2n ** 53n, 8)),
    'a stored length beyond 2^53': forge(bytes => bytes.writeBigUInt64LE(2n ** 64n - 1n, 16)),
    'an end with a digest': forge(bytes => bytes.writeUInt8(254, 4)),
    'an index with a digest': forge(bytes => bytes.writeUInt8(255, 4)),
    'a cut': encodeRecordHeader(header).subarray(0, 43),
    'a cut before the digest': encodeRecordHeader(header).subarray(0, 27),
    nothing: Buffer.alloc(0),
    zeros: Buffer.alloc(64),
  }
  for (const [what, bytes] of Object.entries(wrong)) {
    t.throws(
      () => decodeRecordHeader(bytes, 777),
      { code: 'PACK_INVALID', details: { offset: 777 } },
      what,
    )
  }
})

t.test('a pack of a newer artifactd is told from a damaged one', async t => {
  const unsupported: Record<string, Buffer> = {
    'version 2': forgePackHeader(bytes => bytes.writeUInt16LE(2, 8)),
    encryption: forgePackHeader(bytes => bytes.writeUInt16LE(1, 10)),
    'another flag': forgePackHeader(bytes => bytes.writeUInt16LE(0x8000, 10)),
    'reserved bytes': forgePackHeader(bytes => bytes.writeUInt8(1, 12)),
    'a key id': forgePackHeader(bytes => bytes.writeUInt8(1, 55)),
    'the last reserved byte': forgePackHeader(bytes => bytes.writeUInt8(1, 59)),
  }
  for (const [what, bytes] of Object.entries(unsupported)) {
    t.throws(() => decodePackHeader(bytes), { code: 'STORE_UNSUPPORTED' }, what)
  }
  const good = encodePackHeader({ packId, storeId })
  for (let at = 0; at < good.length; at++) {
    const bytes = Buffer.from(good)
    bytes.writeUInt8(bytes.readUInt8(at) ^ 0x10, at)
    t.throws(() => decodePackHeader(bytes), { code: 'PACK_INVALID' }, `byte ${at}`)
    t.throws(() => decodePackHeader(good.subarray(0, at)), { code: 'PACK_INVALID' }, `cut ${at}`)
  }
})

t.test('ids of a pack are hex digits', async t => {
  t.throws(() => encodePackHeader({ packId: 'abc', storeId }), TypeError)
  t.throws(() => encodePackHeader({ packId, storeId: storeId.toUpperCase() }), TypeError)
})
