-- A batch cannot branch, but it can abort: INSERT INTO assertion SELECT <holds>, '<problem>' stores nothing and
-- makes the whole batch fail with the problem's name unless <holds> is true. See docs/decisions/0005.
CREATE VIEW assertion (holds, problem) AS SELECT 1, '';
--> statement-breakpoint
CREATE TRIGGER assertion_raise INSTEAD OF INSERT ON assertion WHEN NEW.holds IS NOT 1
BEGIN
  SELECT RAISE(ABORT, 'assertion: ' || NEW.problem);
END;
