import java.util.List;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.TasksApi;
import org.openapitools.client.model.Task;
import org.openapitools.client.model.TaskCreate;
import org.openapitools.client.model.TaskUpdate;

public class RoundTrip {
  public static void main(String[] arguments) throws ApiException {
    ApiClient client = new ApiClient();
    client.updateBaseUri(arguments[0]);
    client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + arguments[1]));
    TasksApi tasks = new TasksApi(client);

    TaskCreate body = new TaskCreate().title("Say hello").dueDate("2026-12-01");
    Task task = tasks.createTask("me", body, null, null);
    var got = tasks.getTaskWithHttpInfo("me", task.getId(), null);
    check(got.getData().equals(task), "the task is as it was created");
    var page = tasks.listTasks("me", 10, null, null, null, null, null, null, null, null, null, null, null, null, null);
    check(page.getTasks().equals(List.of(task)), "the list has it");

    String seen = got.getHeaders().get("etag").get(0);
    Task changed = tasks.updateTask("me", task.getId(), new TaskUpdate().completed(true), seen, null);
    check(changed.getRevision() > task.getRevision(), "a revision grows, and is a long");
    try {
      tasks.updateTask("me", task.getId(), new TaskUpdate().title("Too late"), seen, null);
      check(false, "a stale change is refused");
    } catch (ApiException refused) {
      check(refused.getCode() == 412, "a stale change is a 412");
    }

    tasks.deleteTask("me", task.getId(), "\"" + changed.getRevision() + "\"");
    try {
      tasks.getTask("me", task.getId(), null);
      check(false, "a deleted task is gone");
    } catch (ApiException missing) {
      check(missing.getCode() == 404, "a deleted task is a 404");
    }
  }

  private static void check(boolean holds, String what) {
    if (!holds) throw new AssertionError(what);
  }
}
