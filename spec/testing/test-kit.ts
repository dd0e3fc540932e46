/** What a test fails with; fails itself when that one passes. */
export const failureOf = (test: () => void): Error => {
  try {
    test();
  } catch (thrown) {
    return thrown as Error;
  }
  throw new Error('the test passed');
};

/** The drawing of a failure, line by line. */
export const drawingOf = (test: () => void): readonly string[] => failureOf(test).message.split('\n').slice(1);
