/** Runs a test that must fail, and returns its error. Fails itself when the test passes. */
export const failureOf = (test: () => void): Error => {
  try {
    test();
  } catch (thrown) {
    return thrown as Error;
  }
  throw new Error('the test passed');
};

/** Returns the lines of the drawing of a failure. */
export const drawingOf = (test: () => void): readonly string[] => failureOf(test).message.split('\n').slice(1);
