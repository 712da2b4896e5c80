import type { Cell, ValueType } from './value-type.js'

/** Makes dates of the milliseconds in a value of a type; undefined for a type without dates. */
export function reviveDates(type: ValueType | undefined): ((value: Cell) => Cell) | undefined {
  switch (type?.wb_type) {
    case 'timestamp':
      return value => (typeof value === 'number' ? new Date(value) : value)
    case 'union': {
      const all = (type.params?.allowed_types ?? []).flatMap(one => reviveDates(one) ?? [])
      return all.length === 0 ? undefined : value => reviveFirst(all, value)
    }
    case 'list': {
      const revive = reviveDates(type.params?.element_type)
      return revive && (value => (Array.isArray(value) ? value.map(revive) : value))
    }
    case 'typedDict':
      return reviveKeys(type.params?.type_map ?? {})
  }
  return undefined
}

/** What the first makes of it that takes it. */
function reviveFirst(all: ((value: Cell) => Cell)[], value: Cell): Cell {
  for (const revive of all) {
    const made = revive(value)
    if (made !== value) return made
  }
  return value
}

function reviveKeys(types: Record<string, ValueType>): ((value: Cell) => Cell) | undefined {
  const revivers = Object.entries(types).flatMap(([key, type]) => {
    const revive = reviveDates(type)
    return revive ? [[key, revive] as const] : []
  })
  if (revivers.length === 0) return undefined
  return value => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    const object = value as Record<string, Cell>
    const made = revivers.filter(([key]) => Object.hasOwn(object, key))
    return {
      ...object,
      ...Object.fromEntries(made.map(([key, revive]) => [key, revive(object[key])])),
    }
  }
}
