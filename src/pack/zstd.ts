import * as zlib from 'node:zlib'
import { ArtifactError } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import { MAX_FRAME_CONTENT } from './format.js'
import { measureFrame } from './measure-frame.js'

/** 386 MiB/s a core on text in Node 24 and half of that in WebAssembly, to a fifth of its size. */
const LEVEL = 3

/** Synchronous and whole, for a worker thread or for small records. */
export interface Zstd {
  /** One frame, which tells the length of its content. */
  compress(bytes: Uint8Array): Uint8Array
  /** @throws whatever the library says of bytes that are no frame of that length. */
  decompress(frame: Uint8Array, length: number): Uint8Array
}

let loaded: Promise<Zstd> | undefined

/** Node's own where it has one (22.15), else the same format in WebAssembly. Loaded once. */
export function loadZstd(): Promise<Zstd> {
  loaded ??= openZstd()
  return loaded
}

/**
 * The plain bytes of a record that is one zstd frame. Memory is bounded by what the key says.
 *
 * @throws `BLOB_DAMAGED` for what is not exactly one frame of exactly `key.size` bytes; a frame
 *   that says or holds more is refused before it is decoded, or when it passes that length.
 */
export async function decodeFrame(frame: Uint8Array, key: BlobKey): Promise<Uint8Array> {
  return decodeFrameWith(await loadZstd(), frame, key)
}

/** As `decodeFrame`, without waiting. */
export function decodeFrameWith(zstd: Zstd, frame: Uint8Array, key: BlobKey): Uint8Array {
  const { length, content } = measureFrame(frame)
  if (length !== frame.length || content !== key.size || content > MAX_FRAME_CONTENT) {
    throw damaged(key)
  }
  let plain: Uint8Array
  try {
    plain = zstd.decompress(frame, key.size)
  } catch (error) {
    throw damaged(key, error)
  }
  if (plain.length !== key.size) throw damaged(key)
  return plain
}

function damaged({ kind, digest, size }: BlobKey, cause?: unknown): ArtifactError {
  const message = `${kind} ${digest} is not one zstd frame of ${size} bytes`
  return new ArtifactError('BLOB_DAMAGED', message, { cause, details: { kind, digest, size } })
}

/** What the types of Node 20 leave out. */
interface NodeZstd {
  zstdCompressSync(bytes: Uint8Array, options: { params: Record<number, number> }): Uint8Array
  zstdDecompressSync(bytes: Uint8Array, options: { maxOutputLength: number }): Uint8Array
  constants: { ZSTD_c_compressionLevel: number }
}

async function openZstd(): Promise<Zstd> {
  if ('zstdCompressSync' in zlib) {
    const { zstdCompressSync, zstdDecompressSync, constants } = zlib as unknown as NodeZstd
    const params = { [constants.ZSTD_c_compressionLevel]: LEVEL }
    return {
      compress: bytes => zstdCompressSync(bytes, { params }),
      decompress: (frame, length) =>
        zstdDecompressSync(frame, { maxOutputLength: Math.max(1, length) }),
    }
  }
  const wasm = await import('@bokuweb/zstd-wasm')
  await wasm.init()
  return {
    compress: bytes => wasm.compress(bytes, LEVEL),
    // It takes the memory that the frame says, which was measured before.
    decompress: frame => wasm.decompress(frame),
  }
}
