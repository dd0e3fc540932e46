import { InjectionToken } from '@angular/core';

/** One of the two devices of the page. */
export interface DeviceInfo {
  readonly id: 'laptop' | 'phone';
  readonly name: string;
}

export const deviceInfo = new InjectionToken<DeviceInfo>('the device');

export const devices: readonly DeviceInfo[] = [
  { id: 'laptop', name: 'Laptop' },
  { id: 'phone', name: 'Phone' },
];
