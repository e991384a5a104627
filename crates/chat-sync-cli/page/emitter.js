// Somebody who tells others that something happened.

/** Listeners by name, called in the order they came. */
export class Emitter {
  #listeners = new Map();

  /** Calls `listener` with each value that is told under `name`. Answers a function that ends this. */
  on(name, listener) {
    const listeners = this.#listeners.get(name) ?? new Set();
    listeners.add(listener);
    this.#listeners.set(name, listeners);
    return () => listeners.delete(listener);
  }

  /** Tells. A listener that fails does not keep the others from hearing. */
  tell(name, value) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(value);
      } catch (error) {
        console.error(`a listener of ${name} failed`, error);
      }
    }
  }
}
