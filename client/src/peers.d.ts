/** What is used of React; whoever uses `freehold-client/react` has it, and whoever builds a client need not. */
declare module 'react' {
  export function useCallback<Run>(run: Run, dependencies: readonly unknown[]): Run
  export function useSyncExternalStore<Value>(
    subscribe: (listener: () => void) => () => void,
    now: () => Value,
    onServer: () => Value,
  ): Value
}
