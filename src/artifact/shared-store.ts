import { openStore, type Store } from '../store/store.js'

const stores = new Map<string, Store>()

/** The store at a home, opened once in this process and shared until it is closed. */
export function sharedStore(home: string): Store {
  let store = stores.get(home)
  if (!store || store.closed) {
    store = openStore(home)
    stores.set(home, store)
  }
  return store
}
