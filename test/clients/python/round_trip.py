import sys

from generated import AuthenticatedClient
from generated.api.tasks import create_task, delete_task, get_task, list_tasks, update_task
from generated.models import Problem, Task, TaskCreate, TaskList, TaskUpdate

url, token = sys.argv[1:]
client = AuthenticatedClient(base_url=f"{url}/api/v1", token=token)

task = create_task.sync("me", client=client, body=TaskCreate(title="Say hello", due_date="2026-12-01"))
assert isinstance(task, Task), task
got = get_task.sync_detailed("me", task.id, client=client)
assert got.parsed == task, got
page = list_tasks.sync("me", client=client, limit=10)
assert isinstance(page, TaskList) and page.tasks == [task], page

seen = got.headers["ETag"]
changed = update_task.sync("me", task.id, client=client, body=TaskUpdate(completed=True), if_match=seen)
assert isinstance(changed, Task) and changed.completed and changed.revision > task.revision, changed
late = update_task.sync("me", task.id, client=client, body=TaskUpdate(title="Too late"), if_match=seen)
assert isinstance(late, Problem) and late.status == 412, late

deleted = delete_task.sync_detailed("me", task.id, client=client, if_match=f'"{changed.revision}"')
assert deleted.status_code == 204, deleted
gone = get_task.sync("me", task.id, client=client)
assert isinstance(gone, Problem) and gone.status == 404, gone
