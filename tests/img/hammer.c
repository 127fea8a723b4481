// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random requests to a disk image, many at once and from several loops, and a
 * look at whether it then holds what it should: see usage().
 *
 * Each sector that is written says which one it is, and the number of the
 * write.  What was asked for and what was flushed is kept in a file that is
 * mapped and shared, so that it outlives a SIGKILL.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "block/block.h"
#include "error.h"
#include "log.h"
#include "loop.h"

#define SECTOR 512
#define MAX_SECTORS 512 /* of a request */
#define MAX_DEPTH 64

/* Of a sector: numbers of writes; odd ones wrote zeros, 0 was there first. */
struct sector {
	uint32_t asked;
	uint32_t done;
	uint32_t flushed;
	uint32_t zeros;	  /* the last one of these that was asked for */
	uint32_t discard; /* likewise; it leaves what it likes */
	uint32_t busy;
};

struct state {
	uint32_t count; /* of writes, over all runs */
	uint32_t unused;
	struct sector sectors[];
};

struct worker;

struct job {
	struct block_req req; /* first: completions cast */
	struct worker *worker;
	bool busy;
	uint32_t first;
	uint32_t sectors;
	uint32_t number;
	uint8_t *buf;
	struct iovec iov[3];
	uint32_t *flushing; /* what was done when the flush began */
};

struct hammer {
	struct block *block;
	struct state *state;
	uint32_t nr;
	unsigned long ops; /* of each worker; 0: no end */
	unsigned int depth;
	bool no_discard;
	int failed;
};

struct worker {
	struct hammer *h;
	pthread_t thread;
	uint64_t seed;
	struct loop *loop;
	struct aio *aio;
	unsigned long begun;
	unsigned int busy;
	struct job jobs[MAX_DEPTH];
};

static uint32_t rnd(struct worker *w, uint32_t n)
{
	w->seed = w->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((w->seed >> 33) % n);
}

static void fill(uint8_t *buf, uint32_t sector, uint32_t number)
{
	uint32_t i, word[2] = { sector, number };

	for (i = 0; i < SECTOR; i += sizeof(word))
		memcpy(buf + i, word, sizeof(word));
}

static bool zero(const uint8_t *buf)
{
	return !buf[0] && !memcmp(buf, buf + 1, SECTOR - 1);
}

/*
 * Can @buf be what the sector holds?  @least: the last write that must not be
 * lost; later ones may have happened or not.
 */
static bool plausible(const struct sector *s, uint32_t sector, uint32_t least,
		      const uint8_t *buf)
{
	uint8_t want[SECTOR];
	uint32_t word[2];

	if (zero(buf))
		return (least & 1) || !least || s->zeros > least ||
		       s->discard >= least;
	memcpy(word, buf, sizeof(word));
	fill(want, sector, word[1]);
	if (memcmp(buf, want, SECTOR) || word[0] != sector || word[1] & 1)
		return false;
	return word[1] <= s->asked &&
	       (word[1] >= least || (s->discard && s->discard >= least));
}

static void wrong(struct hammer *h, uint32_t sector, uint32_t least,
		  const uint8_t *buf)
{
	const struct sector *s = &h->state->sectors[sector];
	uint32_t word[2];

	memcpy(word, buf, sizeof(word));
	if (__atomic_fetch_add(&h->failed, 1, __ATOMIC_RELAXED) < 10)
		printf("sector %u: has %u/%u, want %u to %u (flushed %u, "
		       "zeros %u, discard %u)\n",
		       sector, word[0], word[1], least, s->asked, s->flushed,
		       s->zeros, s->discard);
}

/* ---- working ----------------------------------------------------------------- */

static bool take(struct hammer *h, uint32_t first, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (__atomic_exchange_n(&h->state->sectors[first + i].busy, 1,
					__ATOMIC_ACQUIRE))
			break;
	if (i == n)
		return true;
	while (i)
		__atomic_store_n(&h->state->sectors[first + --i].busy, 0,
				 __ATOMIC_RELEASE);
	return false;
}

static void begin(struct worker *w, struct job *job);

static void flushed(struct hammer *h, const uint32_t *done)
{
	uint32_t i, old;

	for (i = 0; i < h->nr; i++) {
		old = __atomic_load_n(&h->state->sectors[i].flushed,
				      __ATOMIC_RELAXED);
		while (old < done[i] &&
		       !__atomic_compare_exchange_n(&h->state->sectors[i]
							     .flushed,
						    &old, done[i], false,
						    __ATOMIC_RELAXED,
						    __ATOMIC_RELAXED))
			;
	}
}

static void on_done(struct block_req *req, int ret)
{
	struct job *job = (struct job *)req;
	struct worker *w = job->worker;
	struct hammer *h = w->h;
	struct sector *s = &h->state->sectors[job->first];
	uint32_t i;

	if (ret) {
		printf("request %d of sectors %u to %u: %s\n", (int)req->op,
		       job->first, job->first + job->sectors, strerror(-ret));
		h->failed++;
	}
	if (req->op == BLOCK_FLUSH) {
		flushed(h, job->flushing);
	} else {
		for (i = 0; i < job->sectors && !ret; i++) {
			if (req->op == BLOCK_READ &&
			    !plausible(&s[i], job->first + i, s[i].done,
				       job->buf + i * SECTOR))
				wrong(h, job->first + i, s[i].done,
				      job->buf + i * SECTOR);
			if (req->op == BLOCK_WRITE || req->op == BLOCK_ZERO)
				__atomic_store_n(&s[i].done, job->number,
						 __ATOMIC_RELAXED);
		}
		for (i = 0; i < job->sectors; i++)
			__atomic_store_n(&s[i].busy, 0, __ATOMIC_RELEASE);
	}
	job->busy = false;
	w->busy--;
}

static void choose(struct worker *w, struct job *job)
{
	struct hammer *h = w->h;
	uint32_t what = rnd(w, 100);

	job->req.op = what < 45 ? BLOCK_WRITE :
		      what < 75 ? BLOCK_READ :
		      what < 84 ? BLOCK_ZERO :
		      what < 93 ? BLOCK_DISCARD :
				  BLOCK_FLUSH;
	if (job->req.op == BLOCK_DISCARD && h->no_discard)
		job->req.op = BLOCK_WRITE;
	job->sectors = rnd(w, 4) ? 1 + rnd(w, 16) : 1 + rnd(w, MAX_SECTORS);
	if (job->sectors > h->nr)
		job->sectors = h->nr;
	/* Half of the requests in a tenth of the disk: they meet there. */
	job->first = rnd(w, h->nr - job->sectors + 1);
	if (rnd(w, 2))
		job->first /= 10;
	if (!rnd(w, 3))
		job->first &= ~7U;
}

static void begin(struct worker *w, struct job *job)
{
	struct hammer *h = w->h;
	struct sector *s;
	uint32_t i;

	choose(w, job);
	w->begun++;
	if (job->req.op == BLOCK_FLUSH) {
		job->sectors = 0;
		for (i = 0; i < h->nr; i++)
			job->flushing[i] =
				__atomic_load_n(&h->state->sectors[i].done,
						__ATOMIC_RELAXED);
	} else if (!take(h, job->first, job->sectors)) {
		return;
	}
	/* Odd numbers are zeros. */
	job->number =
		2 * __atomic_add_fetch(&h->state->count, 1, __ATOMIC_RELAXED) +
		(job->req.op != BLOCK_WRITE);
	for (i = 0; i < job->sectors; i++) {
		s = &h->state->sectors[job->first + i];
		if (job->req.op == BLOCK_READ)
			continue;
		s->asked = job->number;
		if (job->req.op == BLOCK_ZERO)
			s->zeros = job->number;
		else if (job->req.op == BLOCK_DISCARD)
			s->discard = job->number;
		else
			fill(job->buf + i * SECTOR, job->first + i,
			     job->number);
	}
	job->req.sync = !rnd(w, 20) && job->req.op == BLOCK_WRITE;
	job->req.punch = rnd(w, 2);
	job->req.offset = (uint64_t)job->first * SECTOR;
	job->req.len = (uint64_t)job->sectors * SECTOR;
	/* In three pieces: nobody may count on one. */
	i = job->sectors / 3 * SECTOR;
	job->iov[0] = (struct iovec){ job->buf, i };
	job->iov[1] = (struct iovec){ job->buf + i, i };
	job->iov[2] = (struct iovec){ job->buf + 2 * i, job->req.len - 2 * i };
	job->req.iov = i ? job->iov : job->iov + 2;
	job->req.nr_iov = i ? 3 : 1;
	job->req.done = on_done;
	job->busy = true;
	w->busy++;
	block_submit(h->block, w->aio, &job->req);
}

static void *work(void *opaque)
{
	struct worker *w = opaque;
	struct hammer *h = w->h;
	unsigned int i;

	while (!h->ops || w->begun < h->ops || w->busy) {
		for (i = 0; i < h->depth; i++)
			if (!w->jobs[i].busy && (!h->ops || w->begun < h->ops))
				begin(w, &w->jobs[i]);
		if (w->busy)
			aio_wait(w->aio);
	}
	return NULL;
}

static int open_worker(struct worker *w, struct error *err)
{
	unsigned int i;
	int rc = loop_new(&w->loop, err);

	if (!rc)
		rc = aio_open(&w->aio, w->loop, w->h->block->aio, SANDBOX_OFF,
			      err);
	for (i = 0; i < w->h->depth; i++) {
		w->jobs[i].worker = w;
		w->jobs[i].buf = aligned_alloc(4096, MAX_SECTORS * SECTOR);
		w->jobs[i].flushing = calloc(w->h->nr, sizeof(uint32_t));
		if (!w->jobs[i].buf || !w->jobs[i].flushing)
			return error_sys(err, ENOMEM, "no memory");
	}
	return rc;
}

static void close_worker(struct worker *w)
{
	unsigned int i;

	aio_close(w->aio);
	loop_free(w->loop);
	for (i = 0; i < w->h->depth; i++) {
		free(w->jobs[i].buf);
		free(w->jobs[i].flushing);
	}
}

static int run(struct hammer *h, unsigned int threads, uint64_t seed,
	       struct error *err)
{
	struct worker *w = calloc(threads, sizeof(*w));
	unsigned int i;
	uint32_t n;
	int rc = 0;

	for (n = 0; n < h->nr; n++)
		h->state->sectors[n].busy = 0;
	for (i = 0; i < threads && !rc; i++) {
		w[i].h = h;
		w[i].seed = seed * 1000 + i;
		rc = open_worker(&w[i], err);
	}
	if (rc)
		return rc;
	for (i = 1; i < threads; i++)
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	work(&w[0]);
	for (i = 1; i < threads; i++)
		pthread_join(w[i].thread, NULL);
	for (i = 0; i < threads; i++)
		close_worker(&w[i]);
	free(w);
	return 0;
}

/* ---- verifying --------------------------------------------------------------- */

static int verify(struct hammer *h, bool killed, struct error *err)
{
	static uint8_t buf[MAX_SECTORS * SECTOR];
	struct worker w = { .h = h };
	struct job job = { .worker = &w };
	uint32_t first, n, i, least;
	const struct sector *s;
	int rc;

	h->depth = 0;
	rc = open_worker(&w, err);
	for (first = 0; first < h->nr && !rc; first += n) {
		n = h->nr - first < MAX_SECTORS ? h->nr - first : MAX_SECTORS;
		job.iov[0] = (struct iovec){ buf, n * SECTOR };
		job.req.op = BLOCK_READ;
		job.req.offset = (uint64_t)first * SECTOR;
		job.req.len = n * SECTOR;
		job.req.iov = job.iov;
		job.req.nr_iov = 1;
		job.req.done = on_done;
		job.busy = true;
		w.busy = 1;
		block_submit(h->block, w.aio, &job.req);
		while (job.busy)
			aio_wait(w.aio);
		for (i = 0; i < n; i++) {
			s = &h->state->sectors[first + i];
			least = killed ? s->flushed : s->done;
			if (!plausible(s, first + i, least, buf + i * SECTOR))
				wrong(h, first + i, least, buf + i * SECTOR);
		}
	}
	close_worker(&w);
	return rc;
}

/* What is there now is what counts from now on: for the next round. */
static void settle(struct hammer *h, bool killed)
{
	struct sector *s;
	uint32_t i;

	for (i = 0; i < h->nr; i++) {
		s = &h->state->sectors[i];
		s->busy = 0;
		if (killed)
			s->done = s->flushed;
		else
			s->flushed = s->done;
	}
}

/* ---- the command line -------------------------------------------------------- */

static int map_state(struct hammer *h, const char *path, struct error *err)
{
	size_t size = sizeof(struct state) + h->nr * sizeof(struct sector);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || ftruncate(fd, (off_t)size))
		return error_sys(err, errno, "%s", path);
	h->state = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (h->state == MAP_FAILED)
		return error_sys(err, errno, "%s", path);
	return 0;
}

static int usage(void)
{
	fputs("usage: hammer run|verify IMAGE STATE [OPTION...]\n"
	      "  --format F    of the image (default: by its name)\n"
	      "  --ops N       requests of each thread; 0: until it is killed\n"
	      "  --threads N   --depth N   --seed N\n"
	      "  --direct      with O_DIRECT and Linux AIO, if it can\n"
	      "  --no-discard  every sector is to be as written\n"
	      "  --killed      verify: only what was flushed must be there\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	struct block_options opt = { .cache = BLOCK_CACHE_WRITEBACK };
	struct hammer h = { .depth = 16, .ops = 1000 };
	unsigned int threads = 1;
	struct error err = { "" };
	bool killed = false, check;
	uint64_t seed = 1;
	int i, rc;

	log_level = LOG_WARN;
	if (argc < 4)
		return usage();
	check = !strcmp(argv[1], "verify");
	opt.path = argv[2];
	for (i = 4; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (!strcmp(argv[i], "--killed"))
			killed = true;
		else if (!strcmp(argv[i], "--no-discard"))
			h.no_discard = true;
		else if (!strcmp(argv[i], "--direct"))
			opt.cache = BLOCK_CACHE_AUTO;
		else if (!strcmp(argv[i], "--format"))
			opt.format = value, i++;
		else if (!strcmp(argv[i], "--ops"))
			h.ops = strtoul(value, NULL, 10), i++;
		else if (!strcmp(argv[i], "--threads"))
			threads = (unsigned int)atoi(value), i++;
		else if (!strcmp(argv[i], "--depth"))
			h.depth = (unsigned int)atoi(value), i++;
		else if (!strcmp(argv[i], "--seed"))
			seed = strtoull(value, NULL, 10), i++;
		else
			return usage();
	}
	if (h.depth > MAX_DEPTH)
		h.depth = MAX_DEPTH;
	opt.readonly = check && !killed;
	rc = block_open(&h.block, &opt, &err);
	if (!rc) {
		h.nr = (uint32_t)(h.block->size / SECTOR);
		rc = map_state(&h, argv[3], &err);
		if (!rc && check) {
			rc = verify(&h, killed, &err);
			settle(&h, killed);
		} else if (!rc) {
			rc = run(&h, threads, seed, &err);
		}
		block_close(h.block);
	}
	if (rc)
		fprintf(stderr, "hammer: %s\n", err.text);
	if (h.failed)
		printf("%d sectors or requests are wrong\n", h.failed);
	return rc || h.failed;
}
