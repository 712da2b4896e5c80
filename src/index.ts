export { Artifact } from './artifact/artifact.js'
export type {
  AddDirOptions,
  AddFileOptions,
  AddOptions,
  ArtifactOptions,
  NewFileOptions,
  SaveOptions,
} from './artifact/artifact-options.js'
export type { AddReferenceOptions } from './artifact/expand-reference.js'
export type { ArtifactObject } from './artifact/get-object.js'
export type { LogOptions } from './artifact/log-artifact.js'
export type {
  LoggedArtifact,
  Resolution,
  WaitOptions,
} from './artifact/logged-artifact.js'
export type { FinishArtifactOptions, UpsertOptions } from './artifact/upsert-artifact.js'
export type { DownloadOptions } from './artifact/version-files.js'
export { ArtifactError, type ErrorCode, isArtifactError } from './errors.js'
export type { Change } from './model/change.js'
export type { Algorithm, Digest } from './model/digest.js'
export type { Entry } from './model/entry.js'
export type { RunInfo, VersionState } from './model/version.js'
export type { MissingReference } from './references/fetch-references.js'
export { type FinishOptions, type InitOptions, init, type Run } from './run/run.js'
export type { CheckoutOptions } from './store/checkout.js'
export type { Policy } from './store/file-ingester.js'
export type { Progress, WorkOptions } from './store/progress.js'
export type { VerifyProblem, VerifyResult } from './store/verify.js'
export type { ColumnKind } from './table/column-types.js'
export { PartitionedTable, type TablePart } from './table/partitioned-table.js'
export {
  type CsvTableOptions,
  type FileTableOptions,
  type LogMode,
  Table,
  type TableOptions,
} from './table/table.js'
export type { Cell, ValueType } from './table/value-type.js'
