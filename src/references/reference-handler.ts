import type { Digest } from '../model/digest.js'
import type { Entry } from '../model/entry.js'

/**
 * What a reference says about the bytes besides digest and size. W&B's names where it has them.
 * `unverifiable`: nothing there identifies the bytes, and the digest is the URI. `sizeUnknown`: the
 * size is not known, and 0 stands for it.
 */
export interface ReferenceExtra {
  /** As the server sends it (http), or without its quotes (s3). */
  etag?: string
  /** S3: version id. GCS: generation. */
  versionID?: string
  unverifiable?: true
  sizeUnknown?: true
}

/** An entry of a manifest that refers to bytes elsewhere. */
export type ReferenceEntry = Entry & { ref: string; extra?: ReferenceExtra }

/** One object that a URI stands for, as it is now. */
export interface FoundReference {
  /**
   * Where it lies below the URI that was asked for, exactly as its keys say, which may be no path
   * of an artifact; for the thing itself its own name, "" when it has none.
   */
  path: string
  /** The URI names this very object, so that a name given by the user takes the place of `path`. */
  single: boolean
  ref: string
  digest: string
  size: number
  extra?: ReferenceExtra
}

export interface ListOptions {
  /**
   * Without: what identifies the bytes is not asked for and folders of a bucket are not expanded;
   * files are identified by their size and time.
   */
  checksum: boolean
  /** Digest and size of a local file's content. */
  hashFile(file: string): Promise<{ digest: Digest; size: number }>
  signal?: AbortSignal
}

export interface OpenedReference {
  /** The offset of the first byte; less than what was asked for when the source cannot resume. */
  from: number
  /** Read it to its end or end its iterator. Throws as `open`. */
  body: AsyncIterable<Uint8Array>
}

/**
 * What can be done with the URIs of one scheme. Calls are independent of each other and may be made
 * concurrently. An aborted signal ends a call soon, with whatever error.
 *
 * @throws all: `INVALID_URI`; `REFERENCE_NOT_FOUND` when nothing is there; `REFERENCE_DENIED`;
 *   `REFERENCE_FAILED`, retryable, when it cannot be reached or read at the moment.
 */
export interface ReferenceHandler {
  /** Whether `open` can give bytes at all. */
  readonly downloads: boolean
  /**
   * The object that the URI names or, where there is none and the scheme has folders, every object
   * below it, page by page: a caller may stop at any time. Never fewer than there are.
   */
  list(uri: string, options: ListOptions): AsyncIterable<FoundReference>
  /**
   * What a URI that was recorded without checksum stands for now, as `list` with checksum tells.
   * Absent where that is one thing in any case.
   */
  expand?(uri: string, options: { signal?: AbortSignal }): AsyncIterable<FoundReference>
  /**
   * The bytes that the entry recorded: those of its version, generation or ETag. Whether they have
   * the right size, and a digest that says so of their content, is for the caller to check.
   * @throws `REFERENCE_CHANGED` when it has other bytes now; `REFERENCE_NOT_DOWNLOADABLE`.
   */
  open(
    entry: ReferenceEntry,
    options: { from?: number; signal?: AbortSignal },
  ): Promise<OpenedReference>
  /**
   * Resolves when the recorded bytes are still there, or nothing can tell.
   * @throws `REFERENCE_CHANGED`.
   */
  check(entry: ReferenceEntry, options: { signal?: AbortSignal }): Promise<void>
}
