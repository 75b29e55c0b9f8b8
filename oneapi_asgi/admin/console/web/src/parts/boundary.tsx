import { Component, type ReactNode } from "react";

import { Failed } from "./failed";

interface Props {
  /** The address of what is shown: what failed at another one is forgotten. */
  at: string;
  children: ReactNode;
}

interface State {
  at: string;
  failed: { error: unknown } | null;
}

/** Says in place of a page why it cannot be shown, and leaves the rest as it is. After an upgrade of the gateway a page
 * that was not open yet is not to be had under its old name: to load the console anew helps. */
export class Boundary extends Component<Props, State> {
  override state: State = { at: this.props.at, failed: null };

  static getDerivedStateFromError(error: unknown): Partial<State> {
    return { failed: { error } };
  }

  static getDerivedStateFromProps({ at }: Props, state: State): State | null {
    return at === state.at ? null : { at, failed: null };
  }

  override render() {
    if (this.state.failed === null) return this.props.children;
    return <Failed error={this.state.failed.error} again={() => location.reload()} />;
  }
}
