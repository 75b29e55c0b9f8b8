import { Failure } from "../api";

interface Form {
  values: object;
  setFieldError: (field: string, error: string) => void;
}

/** Says at the field that a refusal names what is wrong with it; false if it names none of this form. `fields` are those
 * that the form calls otherwise than the administration. */
export function atField(error: unknown, form: Form, fields: Readonly<Record<string, string>> = {}): boolean {
  if (!(error instanceof Failure) || !error.param) return false;
  const field = fields[error.param] ?? error.param;
  if (!(field in form.values)) return false;
  form.setFieldError(field, error.message);
  return true;
}
