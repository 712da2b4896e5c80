import { inspect } from 'node:util'
import { ArtifactError } from '../errors.js'
import { compareUtf8 } from '../model/artifact-path.js'

/** What a cell may hold. Numbers beyond the safe integers that are whole are `bigint`s. */
export type Cell =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | Date
  | Cell[]
  | { [key: string]: Cell }

/** The type of a value as W&B's client infers it, in the form in which it stands in the JSON. */
export type ValueType =
  | { wb_type: PlainType }
  | { wb_type: 'list'; params: { element_type: ValueType; length: number | null } }
  | { wb_type: 'typedDict'; params: { type_map: Record<string, ValueType> } }
  | { wb_type: 'union'; params: { allowed_types: ValueType[] } }

type PlainType =
  | 'any'
  | 'artifactVersion'
  | 'boolean'
  | 'invalid'
  | 'none'
  | 'number'
  | 'string'
  | 'timestamp'
  | 'unknown'

/** Lists and objects in each other; nothing known has more than a few. */
const MAX_DEPTH = 100

const NONE: ValueType = { wb_type: 'none' }
const UNKNOWN: ValueType = { wb_type: 'unknown' }
const INVALID: ValueType = { wb_type: 'invalid' }

/** The type that allows null besides, as every column does. */
export function optionalType(type: ValueType): ValueType {
  return unionOf([type, NONE])
}

/** A column of which nothing is known yet. */
export const UNKNOWN_COLUMN = optionalType(UNKNOWN)

/**
 * The narrowest type that allows what `type` allows and the value, by W&B's rules; stricter in one
 * thing: a text is no list of characters. The same object if the value changes nothing.
 *
 * @returns undefined when the type does not allow the value.
 * @throws `INVALID_TABLE` for a value that no table can hold: a function, a `Map`, an invalid date,
 *   more than 100 levels.
 */
export function assignValue(type: ValueType, value: Cell): ValueType | undefined {
  const assigned = assign(type, value, 0)
  return assigned === INVALID ? undefined : assigned
}

/** {@link INVALID} when it is not allowed; the elements of a list may have that type, too. */
function assign(type: ValueType, value: Cell, depth: number): ValueType {
  switch (type.wb_type) {
    case 'union':
      return assignToUnion(type, type.params.allowed_types, value, depth)
    case 'any':
      return typeOf(value, depth) === NONE ? INVALID : type
    case 'unknown': {
      const found = typeOf(value, depth)
      return found === NONE ? INVALID : found
    }
    case 'list':
      return Array.isArray(value) ? assignToList(type, type.params, value, depth) : INVALID
    case 'typedDict':
      return isObject(value) ? assignToObject(type, type.params.type_map, value, depth) : INVALID
    default:
      return plainTypeOf(value) === type.wb_type ? type : INVALID
  }
}

function assignToUnion(
  type: ValueType,
  allowed: ValueType[],
  value: Cell,
  depth: number,
): ValueType {
  for (let index = 0; index < allowed.length; index += 1) {
    const assigned = assign(allowed[index]!, value, depth)
    if (assigned === INVALID) continue
    return assigned === allowed[index] ? type : unionOf(allowed.with(index, assigned))
  }
  return INVALID
}

/** The length is that of the last list, as W&B has it. */
function assignToList(
  type: ValueType,
  { element_type, length }: { element_type: ValueType; length: number | null },
  value: Cell[],
  depth: number,
): ValueType {
  let element = element_type
  for (let index = 0; index < value.length; index += 1) {
    element = assign(element, value[index], depth + 1)
    if (element === INVALID) return INVALID
  }
  return element === element_type && length === value.length ? type : listOf(element, value.length)
}

function assignToObject(
  type: ValueType,
  types: Record<string, ValueType>,
  value: Record<string, Cell>,
  depth: number,
): ValueType {
  if (Object.keys(value).some(key => !Object.hasOwn(types, key))) return INVALID
  let changed = false
  const entries: [string, ValueType][] = []
  for (const [key, before] of Object.entries(types)) {
    const after = assign(before, Object.hasOwn(value, key) ? value[key] : null, depth + 1)
    if (after === INVALID) return INVALID
    changed ||= after !== before
    entries.push([key, after])
  }
  return changed ? objectOf(entries) : type
}

/** The type of a value by itself; elements of a list that do not fit together have no valid one. */
function typeOf(value: Cell, depth: number): ValueType {
  const plain = plainTypeOf(value)
  if (plain === 'none') return NONE
  if (plain !== undefined) return { wb_type: plain }
  if (depth === MAX_DEPTH) throw refuse(`a value has more than ${MAX_DEPTH} levels`)
  if (Array.isArray(value)) {
    let element = value.some(item => item === null || item === undefined) ? UNKNOWN_COLUMN : UNKNOWN
    for (let index = 0; index < value.length; index += 1) {
      element = assign(element, value[index], depth + 1)
    }
    return listOf(element, value.length)
  }
  if (!isObject(value)) throw refuse(`no table can hold ${inspect(value, { depth: 0 })}`)
  return objectOf(Object.entries(value).map(([key, item]) => [key, typeOf(item, depth + 1)]))
}

/** Undefined for what is a list or an object, or cannot be in a table. */
function plainTypeOf(value: Cell): PlainType | undefined {
  switch (typeof value) {
    case 'string':
      return value.startsWith('wandb-artifact://') ? 'artifactVersion' : 'string'
    case 'number':
      return Number.isNaN(value) ? 'none' : 'number'
    case 'bigint':
      return 'number'
    case 'boolean':
      return 'boolean'
    case 'undefined':
      return 'none'
    case 'object':
      if (value === null) return 'none'
      if (value instanceof Date) return timestampOf(value)
      return '_type' in value && value._type === 'artifactVersion' ? 'artifactVersion' : undefined
    default:
      return undefined
  }
}

function timestampOf(date: Date): PlainType {
  if (Number.isNaN(date.getTime())) throw refuse('a date is not valid')
  return 'timestamp'
}

function isObject(value: Cell): value is Record<string, Cell> {
  return Object.prototype.toString.call(value) === '[object Object]'
}

function listOf(element_type: ValueType, length: number): ValueType {
  return { wb_type: 'list', params: { element_type, length } }
}

function objectOf(entries: [string, ValueType][]): ValueType {
  return { wb_type: 'typedDict', params: { type_map: Object.fromEntries(entries) } }
}

function unionOf(types: ValueType[]): ValueType {
  const allowed_types = types.flatMap(type =>
    type.wb_type === 'union' ? type.params.allowed_types : [type],
  )
  allowed_types.sort((a, b) => compareUtf8(describeType(a), describeType(b)))
  return { wb_type: 'union', params: { allowed_types } }
}

/** As W&B writes it, `None or Number[]` say; W&B orders the types of a union by that. */
export function describeType(type: ValueType): string {
  switch (type.wb_type) {
    case 'union':
      return type.params.allowed_types.map(describeType).join(' or ')
    case 'list':
      return `${describeType(type.params.element_type)}[]`
    case 'typedDict': {
      const types = Object.entries(type.params.type_map)
      return `{${types.map(([key, one]) => `'${key}': ${describeType(one)}`).join(', ')}}`
    }
    default:
      return type.wb_type.charAt(0).toUpperCase() + type.wb_type.slice(1).toLowerCase()
  }
}

function refuse(message: string): ArtifactError {
  return new ArtifactError('INVALID_TABLE', message)
}
