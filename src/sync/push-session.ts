import type { RemoteMark } from '../catalog/catalog.js'
import type { ArtifactError, ErrorData } from '../errors.js'
import { formatVersionName } from '../model/reference-name.js'
import type { Version } from '../model/version.js'
import type { CallOptions, Capabilities, Remote } from '../remote/remote.js'
import { checkAborted } from '../store/progress.js'
import type { Store } from '../store/store.js'
import type { SyncEvent, SyncReport, VersionProgress } from './sync-report.js'
import { WirePool } from './wire-pool.js'

export interface PushContext {
  store: Store
  report: SyncReport
  emit: (event: SyncEvent) => void
  signal?: AbortSignal
}

/** How far one version has come, in bytes. */
export class UploadMeter {
  readonly id: string
  readonly name: string
  /** What the version holds, blobs only. */
  readonly size: number
  bytesTotal = 0
  bytesSent = 0
  bytesSkipped = 0
  retries = 0
  lastError: ErrorData | null = null
  /** Bytes of blobs that were sent and taken. */
  blobBytes = 0

  constructor(version: Version) {
    this.id = version.id
    this.name = formatVersionName(version)
    this.size = version.size
  }

  progress(): VersionProgress {
    const { id, name, size, bytesTotal, bytesSent, bytesSkipped, retries, lastError } = this
    return { id, name, size, bytesTotal, bytesSent, bytesSkipped, retries, lastError }
  }
}

/** What the collections of one push share about one remote. */
export class PushSession {
  readonly context: PushContext
  readonly remote: Remote
  /** Threads that compress what is sent. */
  readonly pool = new WirePool()
  /** Blobs that a collection is sending now, so that no other sends them too. */
  readonly claims = new Map<string, Promise<void>>()
  /** The remote's ids of versions that it has under another one, by the ids here. */
  readonly remoteIds = new Map<string, string>()
  /** Why nothing more is tried with this remote in this push. */
  stopped: ArtifactError | undefined
  #capabilities: Promise<Capabilities> | undefined
  #mark: Promise<RemoteMark | null> | undefined

  get url(): string {
    return this.remote.url
  }

  constructor(remote: Remote, context: PushContext) {
    this.remote = remote
    this.context = context
  }

  /**
   * Makes one counted call of the remote.
   * @param meters of the versions that it is made for, which tell of its retries.
   */
  async call<T>(
    work: (remote: Remote, options: CallOptions) => Promise<T>,
    meters: Iterable<UploadMeter> = [],
  ): Promise<T> {
    checkAborted(this.context.signal)
    if (this.stopped) throw this.stopped
    this.context.report.requests += 1
    const onRetry = (error: ArtifactError) => {
      for (const meter of new Set(meters)) {
        meter.retries += 1
        meter.lastError = error.toJSON()
        this.emit(meter)
      }
    }
    return work(this.remote, { signal: this.context.signal, onRetry })
  }

  /** Tells how far a version is. */
  emit(meter: UploadMeter): void {
    this.context.emit({ type: 'bytes', ...meter.progress() })
  }

  /** What is known of the remote since it took something last; null if it never did. */
  mark(): Promise<RemoteMark | null> {
    this.#mark ??= this.context.store.catalog.findMark(this.url)
    return this.#mark
  }

  /** It took something, which is recorded. */
  remember(mark: RemoteMark): void {
    this.#mark = Promise.resolve(mark)
  }

  /** What the remote can do: as it said last, or else asked for, once a push. */
  capabilities(): Promise<Capabilities> {
    this.#capabilities ??= this.call((remote, options) => remote.capabilities(options))
    return this.#capabilities
  }

  /** Takes what the remote said without being asked. */
  learn(capabilities: Capabilities | undefined): void {
    if (capabilities) this.#capabilities = Promise.resolve(capabilities)
  }

  close(): Promise<void> {
    return this.pool.close()
  }

  /** Ends the push to this remote; the first reason is reported. */
  stop(error: ArtifactError): void {
    if (this.stopped) return
    this.stopped = error
    const { details, ...data } = error.toJSON()
    this.context.report.errors.push({ ...data, details: { ...details, remote: this.url } })
  }
}
