import { TestEnvironment } from 'jest-environment-jsdom';
import { createBrowserEnvironment } from '../../angular/spec/create-browser-environment.js';

export default createBrowserEnvironment(TestEnvironment);
