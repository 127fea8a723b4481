// SPDX-License-Identifier: GPL-2.0-or-later
#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../config.h"
#include "../error.h"
#include "../log.h"
#include "../vm.h"
#include "machine.h"

/* Between two looks at what else there is to do. */
#define PIECE (1U << 20)

struct snapshot {
	struct vm *vm;
	int fd;
	struct mem_snapshot *frozen; /* NULL: the guest stands still */
	bool resume;		     /* it ran before */
	bool over;
	uint64_t at;
	uint64_t paused_at;
	struct snapshot_stat stat;
	snapshot_fn done;
	void *opaque;
	struct loop_call call;
	struct vm_listener listener;
	uint8_t *buf;
};

static bool is_zero(const uint8_t *p, size_t len)
{
	return !*p && !memcmp(p, p + 1, len - 1);
}

static int write_at(int fd, const uint8_t *p, size_t len, uint64_t at)
{
	ssize_t n;

	while (len) {
		n = pwrite(fd, p, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* What is not zero, in runs of pages. */
static int write_pages(struct snapshot *s, const uint8_t *p, size_t len)
{
	size_t from = 0, to;
	int rc = 0;

	while (from < len && !rc) {
		if (is_zero(p + from, MEM_PAGE)) {
			from += MEM_PAGE;
			continue;
		}
		for (to = from + MEM_PAGE; to < len; to += MEM_PAGE)
			if (is_zero(p + to, MEM_PAGE))
				break;
		rc = write_at(s->fd, p + from, to - from, s->at + from);
		s->stat.written += to - from;
		from = to;
	}
	return rc;
}

static void go_on(struct snapshot *s)
{
	if (!s->resume)
		return;
	s->resume = false;
	s->stat.paused_ns = loop_now() - s->paused_at;
	vm_resume(s->vm);
}

static void end(struct snapshot *s, int rc, const struct error *err)
{
	struct mem_snapshot_stat frozen;
	struct vm *vm = s->vm;

	s->over = true;
	vm->snapshot = NULL;
	vm_unlisten(vm, &s->listener);
	loop_unpost(vm->loop, &s->call);
	if (s->frozen) {
		if (!mem_snapshot_stat(s->frozen, &frozen))
			s->stat.copied = frozen.copied;
		mem_snapshot_drop(s->frozen);
	}
	if (vm->state != VM_ENDED)
		go_on(s);
	s->done(s->opaque, rc, &s->stat, err);
	free(s->buf);
	free(s);
}

static int next_piece(struct snapshot *s, size_t len)
{
	const struct mem *mem = &s->vm->mem;
	int rc;

	if (!s->frozen)
		return write_pages(s, mem->base + s->at, len);
	rc = mem_snapshot_read(s->frozen, s->at, s->buf, len);
	return rc ? rc : write_pages(s, s->buf, len);
}

static void on_call(void *opaque)
{
	struct snapshot *s = opaque;
	const struct mem *mem = &s->vm->mem;
	size_t len = mem->size - s->at < PIECE ? mem->size - s->at : PIECE;
	struct error err = { "" };
	int rc = next_piece(s, len);

	s->at += len;
	if (rc)
		error_sys(&err, -rc, "cannot write the memory");
	if (rc || s->at == mem->size)
		end(s, rc, &err);
	else
		loop_post(s->vm->loop, &s->call);
}

/* Memory that is not frozen changes when the machine goes on. */
static void on_event(void *opaque, enum vm_event event, enum vm_cause cause)
{
	struct snapshot *s = opaque;
	struct error err = { "" };

	(void)cause;
	if (event != VM_EVENT_SHUTDOWN &&
	    (s->frozen ||
	     (event != VM_EVENT_RESUME && event != VM_EVENT_RESET)))
		return;
	error_set(&err, ECANCELED, "the machine %s meanwhile",
		  event == VM_EVENT_SHUTDOWN ? "ended" : "went on");
	s->resume = false;
	end(s, -ECANCELED, &err);
}

void snapshot_abort(struct vm *vm)
{
	if (vm->snapshot)
		on_event(vm->snapshot, VM_EVENT_SHUTDOWN, VM_BY_USER);
}

/* Up to where the guest may go on. */
static int begin(struct snapshot *s, int state_fd, bool live, struct error *err)
{
	struct vm *vm = s->vm;
	int rc;

	if (ftruncate(s->fd, (off_t)vm->mem.size))
		return error_sys(err, errno, "cannot write the memory");
	rc = machine_save(vm, state_fd, err);
	if (rc || !live)
		return rc;
	s->buf = malloc(PIECE);
	if (!s->buf)
		return error_sys(err, ENOMEM, "cannot take a snapshot");
	return mem_snapshot_arm(&vm->mem, 0, &s->frozen, err);
}

int snapshot_begin(struct vm *vm, int state_fd, int memory_fd, bool live,
		   snapshot_fn done, void *opaque, struct error *err)
{
	struct snapshot *s;
	int rc;

	if (vm->snapshot)
		return error_set(err, EBUSY, "a snapshot is being taken");
	/* It would take a thread, which cannot be made any more. */
	if (live && vm->cfg->sandbox != SANDBOX_OFF &&
	    vm->mem.backend != &mem_backend_vireo)
		return error_set(err, EOPNOTSUPP,
				 "live needs vireo.ko's memory, or --sandbox off");
	if (vm->crashed || vm->state == VM_ENDED)
		return error_set(err, EINVAL, "the machine has crashed");
	s = calloc(1, sizeof(*s));
	if (!s)
		return error_sys(err, ENOMEM, "cannot take a snapshot");
	s->vm = vm;
	s->fd = memory_fd;
	s->done = done;
	s->opaque = opaque;
	s->call.fn = on_call;
	s->call.opaque = s;
	s->listener.fn = on_event;
	s->listener.opaque = s;
	s->resume = vm->state == VM_RUNNING;
	s->paused_at = loop_now();
	vm_pause(vm);
	rc = begin(s, state_fd, live, err);
	if (rc || s->frozen)
		go_on(s);
	if (rc) {
		free(s->buf);
		free(s);
		return rc;
	}
	vm->snapshot = s;
	vm_listen(vm, &s->listener);
	loop_post(vm->loop, &s->call);
	return 0;
}

/* ---- back --------------------------------------------------------------------- */

/* The next part of @fd, from @at on, that is not a hole; false at the end. */
static bool next_data(int fd, uint64_t size, uint64_t *at, uint64_t *len)
{
	off_t from = lseek(fd, (off_t)*at, SEEK_DATA), to;

	if (from < 0 || (uint64_t)from >= size)
		return false;
	to = lseek(fd, from, SEEK_HOLE);
	if (to < 0 || (uint64_t)to > size)
		to = (off_t)size;
	*at = (uint64_t)from;
	*len = (uint64_t)(to - from);
	return true;
}

int snapshot_read_memory(struct mem *mem, int fd, struct error *err)
{
	uint64_t at = 0, len;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) || (uint64_t)st.st_size != mem->size)
		return error_set(err, EINVAL,
				 "its memory is of another size than %llu MiB",
				 (unsigned long long)(mem->size >> 20));
	for (; next_data(fd, mem->size, &at, &len); at += len) {
		while (len) {
			n = pread(fd, mem->base + at, len, (off_t)at);
			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				return error_sys(err, n ? errno : EIO,
						 "cannot read the memory");
			at += (uint64_t)n;
			len -= (uint64_t)n;
		}
	}
	return 0;
}
