export default { test: { include: [process.env.RED ? 'red.js' : '*.test.js'] } };
