// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Disks whose host fails: virtio and SCSI disks, raw and qcow2, with every
 * engine, told of or with on-error=stop.  A driver writes all of the disk, and
 * again what failed, as guests do; the machine goes on after each stop.  Nothing
 * may be lost, and no image damaged.
 *
 * The host fails at random: of what goes to an engine by a layer before it, and
 * of calls for tables, which are replaced here.  Or it really is full.
 */
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "virtio_rig.h"
#include "block/aio_engine.h"
#include "block/qcow2.h"
#include "virtio/blk.h"
#include "virtio/scsi.h"

#define SECTORS 1024 /* of the disk */
#define CHUNK 16     /* of a request */
#define DEPTH 4
#define UNTOUCHED 0xee

#define HEAD(n) (RIG_DATA + 0x10000ULL * (n))
#define ANSWER(n) (HEAD(n) + 0x800)
#define DATA(n) (HEAD(n) + 0x1000)
/* With CDB and sense data of the sizes that a driver leaves as they are */
#define REQ_LEN (offsetof(struct virtio_scsi_cmd_req, cdb) + 32)
#define RESP_LEN (offsetof(struct virtio_scsi_cmd_resp, sense) + 96)

enum host { FAILS, LIMITED, FULL, NR_HOSTS };

struct kind {
	bool scsi;
	bool qcow2;
	bool stop;
	enum aio_kind aio;
	enum host host;
};

struct fixture {
	const struct kind *kind;
	struct rig *rig;
	struct config cfg;
	struct rig_watch watch;
	char dir[40];
	char path[64];
	unsigned int seen; /* of watch.io_errors */
};

/* ---- a host that fails ------------------------------------------------------- */

/* Shared by all threads: one of @every calls fails with @err, if not 0. */
static struct {
	unsigned int every;
	unsigned int calls;
	int err;
	unsigned int failed;
} host;

static int fails(void)
{
	unsigned int every = __atomic_load_n(&host.every, __ATOMIC_RELAXED);
	unsigned int n = __atomic_add_fetch(&host.calls, 1, __ATOMIC_RELAXED);

	/* Not evenly. */
	if (!every || (n * 2654435761U >> 16) % every)
		return 0;
	__atomic_add_fetch(&host.failed, 1, __ATOMIC_RELAXED);
	return host.err;
}

/* Tables, in place of libc's. */
ssize_t pwrite(int fd, const void *buf, size_t len, off_t at)
{
	errno = fails();
	return errno ? -1 : syscall(SYS_pwrite64, fd, buf, len, at);
}

ssize_t pread(int fd, void *buf, size_t len, off_t at)
{
	errno = fails();
	return errno ? -1 : syscall(SYS_pread64, fd, buf, len, at);
}

int fdatasync(int fd)
{
	errno = fails();
	return errno ? -1 : (int)syscall(SYS_fdatasync, fd);
}

/* Before each engine a layer that fails; of the real one it has the rest. */
struct layer {
	struct aio_engine engine;
	const struct aio_engine *real;
	struct aio_list failed;
};

static struct layer layers[8];

static struct layer *layer_of(struct aio *aio)
{
	return (struct layer *)(uintptr_t)aio->engine;
}

static void layer_start(struct aio *aio)
{
	struct layer *layer = layer_of(aio);
	struct aio_list good;
	struct aio_req *req;

	aio_list_init(&good);
	while ((req = aio_list_take(&aio->queue)))
		aio_list_add(fails() ? &layer->failed : &good, req);
	aio_list_join(&aio->queue, &good);
	if (aio->queue.first)
		layer->real->start(aio);
}

static bool layer_reap(struct aio *aio)
{
	struct layer *layer = layer_of(aio);
	struct aio_list failed = layer->failed;
	bool any = layer->real->reap(aio);
	struct aio_req *req;

	if (!failed.first)
		return any;
	aio_list_init(&layer->failed);
	while ((req = failed.first)) {
		failed.first = req->next;
		aio_done(aio, req, -host.err);
	}
	return true;
}

static void put_before(struct layer *layer, struct aio *aio)
{
	layer->real = aio->engine;
	layer->engine = *aio->engine;
	layer->engine.start = layer_start;
	layer->engine.reap = layer_reap;
	aio_list_init(&layer->failed);
	aio->engine = &layer->engine;
}

/* In the disk's loop */
static void put_layers(void *opaque)
{
	struct fixture *f = opaque;
	struct virtio_scsi *scsi = scsi_of(f->rig->dev);
	unsigned int i, n = 0;

	if (!f->kind->scsi) {
		put_before(&layers[0], blk_of_dev(f->rig->dev)->lanes[0].aio);
		return;
	}
	for (i = 0; i <= AIO_THREADS; i++)
		if (scsi->aio[i])
			put_before(&layers[n++], scsi->aio[i]);
}

static void take_layers(void *opaque)
{
	struct fixture *f = opaque;
	struct virtio_scsi *scsi = scsi_of(f->rig->dev);
	struct aio *aio;
	unsigned int i;

	if (!f->kind->scsi) {
		aio = blk_of_dev(f->rig->dev)->lanes[0].aio;
		aio->engine = layer_of(aio)->real;
		return;
	}
	for (i = 0; i <= AIO_THREADS; i++)
		if (scsi->aio[i])
			scsi->aio[i]->engine = layer_of(scsi->aio[i])->real;
}

static struct loop *disk_loop(const struct fixture *f)
{
	return f->kind->scsi ? scsi_of(f->rig->dev)->loop :
			       blk_of_dev(f->rig->dev)->lanes[0].loop;
}

/* ---- fixture ----------------------------------------------------------------- */

static void make_image(struct fixture *f)
{
	const struct qcow2_create how = {
		.size = SECTORS * 512,
		.version = 3,
		.cluster_size = 4096,
		.refcount_bits = 16,
	};
	int fd = open(f->path, O_RDWR | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	if (f->kind->qcow2)
		assert_int_equal(qcow2_create(fd, &how, NULL), 0);
	else
		assert_int_equal(ftruncate(fd, SECTORS * 512), 0);
	close(fd);
}

/* Room for a third of the disk */
static bool make_room(struct fixture *f)
{
	const char *dir = f->kind->host == FULL ? "/dev/shm" : "/var/tmp";

	snprintf(f->dir, sizeof(f->dir), "%s/vireo-test-XXXXXX", dir);
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/image", f->dir);
	if (f->kind->host != FULL)
		return true;
	return !unshare(CLONE_NEWNS) &&
	       !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	       !mount("none", f->dir, "tmpfs", 0, "size=192k");
}

static void set_limit(rlim_t bytes)
{
	const struct rlimit limit = { bytes, RLIM_INFINITY };

	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void begin_failing(struct fixture *f)
{
	if (f->kind->host == LIMITED)
		set_limit(SECTORS * 512 / 3);
	if (f->kind->host != FAILS)
		return;
	loop_sync(disk_loop(f), put_layers, f);
	host.err = f->kind->qcow2 ? ENOSPC : EIO;
	host.failed = 0;
	__atomic_store_n(&host.every, 5, __ATOMIC_RELAXED);
}

static void end_failing(struct fixture *f)
{
	__atomic_store_n(&host.every, 0, __ATOMIC_RELAXED);
	set_limit(RLIM_INFINITY);
	if (f->kind->host == FULL)
		assert_int_equal(mount("none", f->dir, "tmpfs", MS_REMOUNT,
				       "size=4m"),
				 0);
}

/* False if this host cannot. */
static bool start(struct fixture *f)
{
	struct disk_config *disk = f->kind->scsi ? &f->cfg.scsi[0] :
						   &f->cfg.disks[0];
	struct error err = { "" };

	*disk = (struct disk_config){
		.path = f->path,
		.format = (char *)(f->kind->qcow2 ? "qcow2" : "raw"),
		.aio = f->kind->aio,
		.cache = f->kind->aio == AIO_LIBAIO ? BLOCK_CACHE_NONE :
						      BLOCK_CACHE_WRITEBACK,
		.iothreads = 1,
		.queues = 1,
		.on_error = f->kind->stop ? ON_ERROR_STOP : ON_ERROR_REPORT,
	};
	f->cfg.cpus = 1;
	f->cfg.nr_scsi = 1;
	if (rig_init_on(&f->rig, &rig_accel_irqfd_ops,
			f->kind->scsi ? &virtio_scsi_class : &virtio_blk_class,
			f->kind->scsi ? (void *)&f->cfg : (void *)disk, &err)) {
		print_message("%s\n", err.text);
		rig_free(f->rig);
		f->rig = NULL;
		return false;
	}
	rig_watch(f->rig, &f->watch);
	rig_drive(f->rig, f->kind->scsi ? 0 : 1ULL << VIRTIO_BLK_F_FLUSH);
	return true;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (!f)
		return 0;
	__atomic_store_n(&host.every, 0, __ATOMIC_RELAXED);
	set_limit(RLIM_INFINITY);
	if (f->rig)
		rig_free(f->rig);
	unlink(f->path);
	if (f->kind->host == FULL)
		umount2(f->dir, MNT_DETACH);
	rmdir(f->dir);
	free(f);
	return 0;
}

/* ---- a driver ---------------------------------------------------------------- */

enum op { READ, WRITE, FLUSH };

static unsigned int queue(const struct fixture *f)
{
	return f->kind->scsi ? 2 : 0;
}

static void add_blk(struct fixture *f, unsigned int n, enum op op,
		    unsigned int sector)
{
	static const uint32_t types[] = { VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT,
					  VIRTIO_BLK_T_FLUSH };
	const struct virtio_blk_outhdr hdr = { .type = types[op],
					       .sector = sector };
	const struct rig_buf bufs[3] = {
		{ HEAD(n), sizeof(hdr), false },
		{ DATA(n), CHUNK * 512, op == READ },
		{ ANSWER(n), 1, true },
	};

	memcpy(rig_mem(f->rig, HEAD(n), sizeof(hdr)), &hdr, sizeof(hdr));
	rig_add(f->rig, 0,
		op == FLUSH ? (const struct rig_buf[]){ bufs[0], bufs[2] } :
			      bufs,
		op == FLUSH ? 2 : 3);
}

static void add_scsi(struct fixture *f, unsigned int n, enum op op,
		     unsigned int sector)
{
	static const uint8_t codes[] = { 0x28, 0x2a, 0x35 };
	const struct virtio_scsi_cmd_req req = {
		.lun = { 1, 0 },
		.cdb = { codes[op], 0, 0, 0, (uint8_t)(sector >> 8),
			 (uint8_t)sector, 0, 0, op == FLUSH ? 0 : CHUNK },
	};
	const struct rig_buf head = { HEAD(n), REQ_LEN, false };
	const struct rig_buf answer = { ANSWER(n), RESP_LEN, true };
	const struct rig_buf data = { DATA(n), CHUNK * 512, op == READ };

	memcpy(rig_mem(f->rig, HEAD(n), REQ_LEN), &req, REQ_LEN);
	if (op == FLUSH)
		rig_add(f->rig, 2, (const struct rig_buf[]){ head, answer }, 2);
	else if (op == WRITE)
		rig_add(f->rig, 2,
			(const struct rig_buf[]){ head, data, answer }, 3);
	else
		rig_add(f->rig, 2,
			(const struct rig_buf[]){ head, answer, data }, 3);
}

static void add(struct fixture *f, unsigned int n, enum op op,
		unsigned int sector)
{
	memset(rig_mem(f->rig, ANSWER(n), 256), UNTOUCHED, 256);
	(f->kind->scsi ? add_scsi : add_blk)(f, n, op, sector);
}

/* Nothing else than an I/O error may be said; unit attention is none. */
static bool good(struct fixture *f, unsigned int n)
{
	const struct virtio_scsi_cmd_resp *resp =
		rig_mem(f->rig, ANSWER(n), sizeof(*resp));
	uint8_t status = *(uint8_t *)rig_mem(f->rig, ANSWER(n), 1);

	if (!f->kind->scsi) {
		assert_true(status == VIRTIO_BLK_S_OK ||
			    status == VIRTIO_BLK_S_IOERR);
		return status == VIRTIO_BLK_S_OK;
	}
	assert_int_equal(resp->response, 0);
	if (!resp->status)
		return true;
	assert_int_equal(resp->status, 2);
	/* Medium error, hardware error, or no space; the first unit attention */
	if (resp->sense[2] != 3 && resp->sense[2] != 4)
		assert_true((resp->sense[2] == 7 && resp->sense[13] == 7) ||
			    resp->sense[2] == 6);
	return false;
}

/* The machine is stopped: somebody sees to it, and lets it go on. */
static void go_on(struct fixture *f)
{
	f->seen = f->watch.io_errors;
	devices_stop(&f->rig->vm);
	if (f->kind->host != FAILS)
		end_failing(f);
	devices_start(&f->rig->vm);
}

/* The main loop for a moment; I/O has a thread of its own. */
static void run_briefly(struct rig *rig)
{
	rig->timer.fn = rig_stop_loop;
	rig->timer.opaque = rig;
	loop_timer_arm(rig->vm.loop, &rig->timer, loop_now() + 200000);
	assert_int_equal(loop_run(rig->vm.loop), 0);
}

static void finish(struct fixture *f, unsigned int n)
{
	unsigned int tries = 0;

	while (n) {
		assert_true(tries++ < 100000);
		n -= rig_used(f->rig, queue(f), NULL);
		if (n)
			run_briefly(f->rig);
		if (f->kind->stop && f->seen != f->watch.io_errors)
			go_on(f);
	}
}

/* @n requests from @sector on, at once; those that fail again. */
static void do_all(struct fixture *f, enum op op, unsigned int sector,
		   unsigned int n)
{
	bool done[DEPTH] = { false };
	unsigned int i, left = n, sent, tries = 0;

	while (left) {
		assert_true(tries++ < 200);
		for (i = sent = 0; i < n; i++)
			if (!done[i]) {
				add(f, i, op, sector + i * CHUNK);
				sent++;
			}
		rig_ring(f->rig, queue(f));
		finish(f, sent);
		for (i = 0; i < n; i++)
			if (!done[i] && good(f, i)) {
				done[i] = true;
				left--;
			}
		/* Not even once is that true of a host that is mended. */
		if (left && f->kind->host != FAILS && tries > 1)
			end_failing(f);
	}
}

/* What @sector holds after the @round-th time */
static uint8_t pattern(unsigned int sector, unsigned int round)
{
	return (uint8_t)(1 + (sector * 7 + round * 13) % 200);
}

static void fill(struct fixture *f, unsigned int round)
{
	unsigned int sector, i, s;

	for (sector = 0; sector < SECTORS; sector += DEPTH * CHUNK) {
		for (i = 0; i < DEPTH; i++)
			for (s = 0; s < CHUNK; s++)
				memset(rig_mem(f->rig, DATA(i) + s * 512, 512),
				       pattern(sector + i * CHUNK + s, round),
				       512);
		do_all(f, WRITE, sector, DEPTH);
		do_all(f, FLUSH, 0, 1);
	}
}

static void look(struct fixture *f, unsigned int round)
{
	unsigned int sector, i, s;
	uint8_t want[512];

	for (sector = 0; sector < SECTORS; sector += DEPTH * CHUNK) {
		do_all(f, READ, sector, DEPTH);
		for (i = 0; i < DEPTH; i++)
			for (s = 0; s < CHUNK; s++) {
				memset(want,
				       pattern(sector + i * CHUNK + s, round),
				       512);
				assert_memory_equal(rig_mem(f->rig,
							    DATA(i) + s * 512,
							    512),
						    want, 512);
			}
	}
}

/* ---- the tests --------------------------------------------------------------- */

static void sound(struct fixture *f)
{
	struct qcow2_check check = { 0 };
	struct error err = { "" };
	struct qcow2 *q;
	int fd;

	if (!f->kind->qcow2)
		return;
	fd = open(f->path, O_RDONLY);
	assert_true(fd >= 0);
	if (qcow2_open(&q, fd, f->path, QCOW2_READONLY, &err))
		fail_msg("%s", err.text);
	assert_int_equal(qcow2_check(q, QCOW2_NO_REPAIR, &check, &err), 0);
	assert_int_equal(check.corruptions, 0);
	assert_int_equal(check.errors, 0);
	qcow2_close(q);
	close(fd);
}

static void test(void **state)
{
	const struct kind *kind = *state;
	struct fixture *f = calloc(1, sizeof(*f));
	unsigned int round;

	assert_non_null(f);
	f->kind = kind;
	*state = f;
	if (!make_room(f))
		skip();
	make_image(f);
	if (!aio_has(kind->aio) || !start(f))
		skip();
	if (kind->scsi)
		do_all(f, READ, 0, 1);
	for (round = 0; round < (kind->host == FAILS ? 2 : 1); round++) {
		begin_failing(f);
		fill(f, round);
		if (kind->host == FAILS)
			look(f, round);
		devices_stop(&f->rig->vm);
		end_failing(f);
		if (kind->host == FAILS)
			loop_sync(disk_loop(f), take_layers, f);
		devices_start(&f->rig->vm);
		look(f, round);
		rig_run(f->rig); /* the main thread may hear of them only now */
		assert_int_not_equal(f->watch.io_errors, 0);
	}
	if (kind->host == FAILS)
		assert_true(host.failed > 20);
	rig_free(f->rig);
	f->rig = NULL;
	sound(f);
}

int main(void)
{
	static const char *const engines[] = { "auto", "libaio", "io_uring",
					       "threads" };
	static const char *const hosts[] = { "fails", "limited", "full" };
	static struct kind kinds[2 * 2 * 2 * 3 * NR_HOSTS];
	static struct CMUnitTest tests[2 * 2 * 2 * 3 * NR_HOSTS];
	unsigned int i, n = sizeof(kinds) / sizeof(kinds[0]);
	char *name;
	int failed;

	/* It is for the system call to say so. */
	signal(SIGXFSZ, SIG_IGN);
	for (i = 0; i < n; i++) {
		kinds[i] = (struct kind){
			.scsi = i % 2,
			.qcow2 = i / 2 % 2,
			.stop = i / 4 % 2,
			.aio = AIO_LIBAIO + i / 8 % 3,
			.host = i / 24,
		};
		if (asprintf(&name, "%s %s %s %s %s",
			     kinds[i].scsi ? "scsi" : "blk",
			     kinds[i].qcow2 ? "qcow2" : "raw",
			     kinds[i].stop ? "stop" : "report",
			     engines[kinds[i].aio], hosts[kinds[i].host]) < 0)
			return 1;
		tests[i] = (struct CMUnitTest){
			.name = name,
			.test_func = test,
			.teardown_func = teardown,
			.initial_state = &kinds[i],
		};
	}
	failed = _cmocka_run_group_tests("disk_errors", tests, n, NULL, NULL);
	for (i = 0; i < n; i++)
		free((void *)(uintptr_t)tests[i].name);
	return failed;
}
