export interface RunLimits<T> {
  /** What an item weighs, in the unit of `most`. */
  weigh(item: T): number
  /** The most that the items of one run weigh together; one that weighs more goes alone. */
  most: number
  /** The most items in one run. Default: any number. */
  count?: number
}

/** Items in the same order, as many together as the limits allow. */
export function* cutRuns<T>(
  items: Iterable<T>,
  { weigh, most, count = Number.POSITIVE_INFINITY }: RunLimits<T>,
): Generator<T[], void, undefined> {
  let run: T[] = []
  let weight = 0
  for (const item of items) {
    const more = weigh(item)
    if (run.length > 0 && (run.length === count || weight + more > most)) {
      yield run
      run = []
      weight = 0
    }
    run.push(item)
    weight += more
  }
  if (run.length > 0) yield run
}
