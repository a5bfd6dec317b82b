import { config } from 'gtpack/sdk';

/** The provider's `config`, as schemas/config.json has it; the host has checked it. */
export interface Settings {
  readonly from?: string;
  readonly messaging_service_sid?: string;
  readonly status_callback?: boolean;
  readonly incoming_reply?: 'flow' | 'empty';
}

export function settings(): Settings {
  return config<Settings | null>() ?? {};
}
