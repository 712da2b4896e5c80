/**
 * One row per error that this project raises on purpose.
 *
 * `http` is the status a server answers with, `retryable` says whether the same call may succeed
 * later without a change by the caller, `exit` is the exit code of the commands (0 done; 1 failed
 * or differs; 2 usage; 3 not found; 4 remote unreachable; 5 some versions still pending or failed;
 * 130 interrupted) and `hint` tells a person what to do. `docs/errors.md` has a row for each.
 */
interface ErrorRow {
  http: number
  retryable: boolean
  exit: number
  hint: string
}

const row = (http: number, exit: number, hint: string, retryable = false): ErrorRow => ({
  http,
  retryable,
  exit,
  hint,
})

export const ERRORS = {
  // What the caller asked for is not well formed.
  USAGE: row(400, 2, 'run the command with --help'),
  INVALID_NAME: row(400, 2, 'use letters, digits, "_", "-" and ".", at most 128 characters'),
  INVALID_TYPE: row(400, 2, 'choose another type'),
  INVALID_ALIAS: row(400, 2, 'aliases hold no "/" or ":", and vN is reserved for versions'),
  INVALID_TAG: row(400, 2, 'tags are words of letters, digits, "_" and "-", separated by spaces'),
  INVALID_METADATA: row(400, 2, 'metadata is a JSON object with at most 100 top-level keys'),
  INVALID_PATH: row(400, 2, 'use a relative path with "/" between its parts'),
  INVALID_DIGEST: row(400, 2, 'a digest is xxh128:, md5: or sha256: and its hex digits'),
  INVALID_REFERENCE: row(400, 2, 'write [[ENTITY/]PROJECT/]NAME[:ALIAS|:vN|@ID]'),
  INVALID_CONFIG: row(400, 2, 'correct the setting'),
  INVALID_TABLE: row(400, 2, 'correct the value or row that is named'),
  TOO_MANY_ROWS: row(400, 1, 'make several tables and add a PartitionedTable of their folder'),
  ENTRY_CONFLICT: row(409, 1, 'give one of them another name, or pass overwrite'),
  TYPE_CONFLICT: row(409, 1, 'a name has one type in a project; use that type or another name'),
  RENAME_REFUSED: row(409, 1, 'see `artifact status` for what failed, and why'),
  GROUP_REQUIRED: row(400, 2, 'pass group to init, distributedId to the call, or --group'),
  ARTIFACT_FINALIZED: row(409, 1, 'a logged artifact is immutable; build a new one'),
  ARTIFACT_NOT_LOGGED: row(409, 1, 'await `committed` first'),

  // Files of the user.
  FILE_NOT_FOUND: row(400, 3, 'check the path'),
  FILE_UNREADABLE: row(400, 1, 'check the permissions of the file'),
  FILE_CHANGED: row(400, 1, 'log it again when nothing writes to it'),
  FILE_UNSUPPORTED: row(400, 1, 'only files and folders can be added'),
  CHECKOUT_CONFLICT: row(409, 1, 'choose another folder, or move what is in the way'),
  LINK_REFUSED: row(409, 1, 'use --link reflink or copy (the default), or sync the version first'),

  // References to bytes elsewhere.
  INVALID_URI: row(400, 2, 'write http(s)://…, s3://BUCKET/KEY, gs://BUCKET/KEY or file:///PATH'),
  URI_HAS_CREDENTIALS: row(400, 2, 'take the secret out of the URI; the environment holds it'),
  TOO_MANY_OBJECTS: row(400, 1, 'raise maxObjects (--max-objects), or refer to less'),
  REFERENCE_NOT_FOUND: row(404, 3, 'check the URI'),
  REFERENCE_DENIED: row(403, 1, 'check your credentials for what is named'),
  REFERENCE_CHANGED: row(409, 1, 'log it as it is now, or leave it out: allowMissingReferences'),
  REFERENCE_FAILED: row(502, 1, 'try again later', true),
  REFERENCE_UNSUPPORTED: row(400, 1, 'refer to the bytes themselves'),
  REFERENCE_NOT_DOWNLOADABLE: row(400, 1, 'leave it out: allowMissingReferences'),
  PACKAGE_MISSING: row(500, 1, 'install the package that is named'),

  // Names that lead nowhere.
  ARTIFACT_NOT_FOUND: row(404, 3, 'list what there is with `artifact ls`'),
  VERSION_NOT_FOUND: row(404, 3, 'list the versions with `artifact ls PROJECT/NAME`'),
  ENTRY_NOT_FOUND: row(404, 3, 'check the path'),
  DIGESTS_DIFFER: row(409, 1, 'log one of them again in a store with the digest of the other'),
  VERSION_DELETED: row(410, 3, 'a number is never used again; list what there is: `artifact ls`'),
  VERSION_HAS_ALIASES: row(
    409,
    1,
    'move the aliases first, or pass deleteAliases (--delete-aliases)',
  ),
  VERSION_RENUMBERED: row(409, 3, 'ask for the version by @ID or by its new number'),
  LATEST_MOVED: row(409, 1, 'merge onto the version that is the latest now', true),
  ENTITY_NOT_FOUND: row(404, 3, 'this server has one entity, "default": unset ARTIFACT_ENTITY'),
  ROUTE_NOT_FOUND: row(404, 1, 'check the address of the remote'),

  // The local store.
  STORE_UNSUPPORTED: row(
    500,
    1,
    'use the version of artifactd that wrote the store, or a newer one',
  ),
  STORE_DAMAGED: row(500, 1, 'restore the file that is named, or run: artifact repair'),
  STORE_BUSY: row(503, 1, 'let the process that is named go on, or end it; try again', true),
  STORE_ELSEWHERE: row(500, 1, 'use the store from one machine at a time'),
  STORE_NOT_LOCAL: row(500, 1, 'set ARTIFACT_HOME to a folder on a disk of this machine'),
  STORE_READ_ONLY: row(500, 1, 'make the store writable, or set another ARTIFACT_HOME'),
  STORE_FULL: row(507, 1, 'make room on the disk, then try again', true),
  STORE_FAILED: row(500, 1, 'check the disk and the permissions of the store', true),
  BLOB_DAMAGED: row(500, 1, 'run `artifact repair`, then log again what it calls lost'),
  BLOB_MISSING: row(404, 1, 'run `artifact repair`, then log again what it calls lost'),
  PROTOCOL_UNSUPPORTED: row(
    400,
    1,
    'bring both sides to versions of artifactd that share a protocol',
  ),
  PLATFORM_UNSUPPORTED: row(500, 1, 'use Linux or macOS'),

  // What came from outside does not hold what it claims.
  PACK_INVALID: row(400, 1, 'send the pack again'),
  PIECE_INVALID: row(400, 1, 'the manifest is not canonical; log the version again'),
  RECIPE_INVALID: row(400, 1, 'send the chunks and the recipe again'),
  REQUEST_INVALID: row(400, 1, 'see docs/protocol.md'),
  REQUEST_DAMAGED: row(400, 4, 'try again; https keeps what is sent as it is', true),
  REQUEST_TOO_LARGE: row(413, 1, 'send it in smaller parts'),

  // The remote.
  NO_REMOTE: row(400, 4, 'name one with `artifact init --remote URL` or ARTIFACT_REMOTE'),
  REMOTE_UNREACHABLE: row(503, 4, 'check the address and that the server runs', true),
  REMOTE_UNAUTHORIZED: row(401, 4, 'set ARTIFACT_API_KEY to a key of that server'),
  REMOTE_UNTRUSTED: row(502, 4, 'set ARTIFACT_CA_FILE to the certificate of its authority'),
  REMOTE_FAILED: row(502, 4, 'look at the log of the server', true),
  REMOTE_INVALID: row(502, 4, 'check that the address is one of an artifactd server', true),
  HISTORY_LOST: row(409, 5, 'sync again: what the server lost is sent anew'),
  DIGEST_NOT_ACCEPTED: row(409, 1, 'make a store with a digest that the remote accepts'),
  SOURCE_CHANGED: row(409, 1, 'a file added as immutable must stay until synced; log it again'),
  SERVER_KEY_REQUIRED: row(500, 2, 'set ARTIFACT_SERVER_KEY, or listen on 127.0.0.1'),
  SERVER_FAILED: row(500, 1, 'look at the log of the server', true),
  ADDRESS_UNAVAILABLE: row(500, 1, 'choose another --listen address'),

  // Waiting.
  WAIT_TIMEOUT: row(504, 5, 'the version is durable here and is synced later', true),
  SYNC_INCOMPLETE: row(503, 5, 'see `artifact status`', true),
  VERIFY_DIFFERS: row(409, 1, 'see the files that are named'),
  DAEMON_RUNNING: row(409, 1, 'one artifactd serves a store; see `artifact daemon status`'),
  DAEMON_NOT_RUNNING: row(503, 1, 'start it with `artifact daemon start`', true),
  DAEMON_FAILED: row(500, 1, 'see artifactd.log in the store', true),
  INTERRUPTED: row(499, 130, 'the call was cancelled'),
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof ERRORS

/** An {@link ArtifactError} as plain data: what crosses threads, sockets and HTTP. */
export interface ErrorData {
  code: ErrorCode
  message: string
  details?: Record<string, unknown>
}

/**
 * Every failure that a caller may want to tell apart. Match `code`, never the text; `details`
 * holds the things the message names. Mistakes in the kind of an argument are `TypeError`s.
 */
export class ArtifactError extends Error {
  readonly code: ErrorCode
  readonly details: Record<string, unknown>

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'ArtifactError'
    this.code = code
    this.details = options.details ?? {}
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable
  }

  get hint(): string {
    return ERRORS[this.code].hint
  }

  toJSON(): ErrorData {
    return { code: this.code, message: this.message, details: this.details }
  }

  /** Rebuilds an error from the other side. Codes that are not in the table become `fallback`. */
  static from(data: unknown, fallback: ErrorCode = 'STORE_FAILED'): ArtifactError {
    const { code, message, details } = (data ?? {}) as Partial<ErrorData>
    const known = typeof code === 'string' && Object.hasOwn(ERRORS, code)
    return new ArtifactError(known ? code : fallback, String(message ?? 'unknown error'), {
      details: typeof details === 'object' && details !== null ? details : {},
    })
  }
}

export function isArtifactError(error: unknown, code?: ErrorCode): error is ArtifactError {
  return error instanceof ArtifactError && (code === undefined || error.code === code)
}

/** The code of a system error such as `ENOENT`, or undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  return typeof code === 'string' ? code : undefined
}

/** System errors for which there is more to say than their names. */
const SYSTEM_CODES: Record<string, { code: ErrorCode; what: string }> = {
  ENOSPC: { code: 'STORE_FULL', what: 'the disk is full' },
  EDQUOT: { code: 'STORE_FULL', what: 'the disk is full' },
  EROFS: { code: 'STORE_READ_ONLY', what: 'the disk is read-only' },
  EMFILE: { code: 'STORE_FAILED', what: 'this process has too many files open (ulimit -n)' },
  ENFILE: { code: 'STORE_FAILED', what: 'this machine has too many files open' },
  EIO: { code: 'STORE_FAILED', what: 'the disk fails to read or write' },
}

/**
 * Turns a failed operation on the store's own files into a coded error that names what was done.
 * `ENOSPC` and `EDQUOT` become `STORE_FULL`, `EROFS` becomes `STORE_READ_ONLY`; coded errors pass
 * through untouched.
 */
export function storeError(error: unknown, doing: string): ArtifactError {
  if (error instanceof ArtifactError) return error
  const system = systemCode(error)
  const known = system === undefined ? undefined : SYSTEM_CODES[system]
  const message = known ? `${known.what}: ${doing}` : `${doing}: ${(error as Error).message}`
  return new ArtifactError(known?.code ?? 'STORE_FAILED', message, {
    cause: error,
    details: { system },
  })
}
