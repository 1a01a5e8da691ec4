// Undoes what a test has set up, the last thing first. `node:test` runs its own hooks in the order in which they
// were given, which would remove a folder before the file system mounted in it.

const stacks = new WeakMap();

/** Calls `undo` after the test, before everything that was registered earlier. One that fails hinders no other. */
export function afterwards(t, undo) {
  const stack = stacks.get(t);
  if (stack !== undefined) return stack.push(undo);
  const undos = [undo];
  stacks.set(t, undos);
  t.after(async () => {
    const failures = [];
    while (undos.length > 0) {
      try {
        await undos.pop()();
      } catch (failure) {
        failures.push(failure);
      }
    }
    if (failures.length > 0) throw failures[0];
  });
}
