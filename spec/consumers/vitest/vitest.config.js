const { RED, JSDOM } = process.env;

export default {
  test: { include: [RED ? 'red.js' : '*.test.js'], exclude: ['node_modules/**', ...(JSDOM ? ['server.test.js'] : [])] },
};
