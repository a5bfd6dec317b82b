import { config } from 'gtpack/sdk';

/** The provider's `config`, as schemas/config.json has it; the host has checked it. */
export interface Settings {
  readonly from_email?: string;
  readonly from_name?: string;
  readonly reply_to?: string;
  readonly template_id?: string;
  readonly sandbox?: boolean;
  readonly max_attachment_bytes?: number;
}

export function settings(): Settings {
  return config<Settings | null>() ?? {};
}
