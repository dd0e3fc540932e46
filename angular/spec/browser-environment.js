import { TestEnvironment } from 'jest-environment-jsdom';
import { createBrowserEnvironment } from './create-browser-environment.js';

export default createBrowserEnvironment(TestEnvironment);
