/** A change, as `/changes` answers it, that brings the task with this number: a greater number is a newer task. */
export function changeOf(at: number) {
  const id = `019a0000-${(at >> 12).toString(16).padStart(4, '0')}-7${(at & 0xfff).toString(16).padStart(3, '0')}-8000-000000000000`
  const time = '2026-11-20T09:30:00.000Z'
  const data = {
    id,
    user_id: 'somebody',
    title: `Task ${at}`,
    description: 'Something to be done, in a sentence of an ordinary length.',
    status: 'pending',
    completed: false,
    completed_at: null,
    priority: 'medium',
    due_date: null,
    tags: ['home'],
    project_id: null,
    revision: at + 1,
    created_at: time,
    updated_at: time,
  }
  return { collection: 'tasks', id, deleted: false, revision: at + 1, data }
}
