// SPDX-License-Identifier: GPL-2.0-or-later
/* The live view: samples, keys and signals. */
#include "view.h"

#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define KEY_ESCAPE 27
#define KEY_RETURN '\r'
#define KEY_DELETE 127

const struct object *view_vm(const struct view *v)
{
	return v->page == PAGE_VMS ?
		       NULL :
		       object_child(&v->now.host, OBJECT_VM, v->vm);
}

/* ---- samples ------------------------------------------------------------ */

static void go_to(struct view *v, enum page page)
{
	v->page = page;
	v->selected = v->top = 0;
}

static int next_sample(struct view *v)
{
	struct sample fresh;
	int ret = sample_read(&fresh, v->tree);

	if (ret)
		return ret;
	if (v->only)
		sample_keep(&fresh, v->only);
	if (v->now.host.id)
		sample_rates(&fresh, &v->now);
	/* What it borrows from. */
	table_clear(&v->table);
	sample_clear(&v->now);
	v->now = fresh;
	if (v->page != PAGE_VMS && !view_vm(v)) {
		snprintf(v->message, sizeof(v->message),
			 "Virtual machine %s has ended.", v->vm);
		go_to(v, PAGE_VMS);
	}
	return 0;
}

/* ---- keys --------------------------------------------------------------- */

static void move_to(struct view *v, long row)
{
	long last = (long)v->table.nr_rows - 1;

	if (row > last)
		row = last;
	v->selected = row < 0 ? 0 : (size_t)row;
	if (v->page != PAGE_VMS || last < 0)
		return;
	v->follow = true;
	snprintf(v->vm, sizeof(v->vm), "%s",
		 v->table.rows[v->selected].object->id);
}

static bool move_key(struct view *v, int key)
{
	long at = (long)v->selected, page = (long)v->rows;

	switch (key) {
	case KEY_UP:
	case 'k':
		move_to(v, at - 1);
		return true;
	case KEY_DOWN:
	case 'j':
		move_to(v, at + 1);
		return true;
	case KEY_PPAGE:
		move_to(v, at - page);
		return true;
	case KEY_NPAGE:
		move_to(v, at + page);
		return true;
	case KEY_HOME:
		move_to(v, 0);
		return true;
	case KEY_END:
		move_to(v, (long)v->table.nr_rows);
		return true;
	default:
		return false;
	}
}

static bool page_key(struct view *v, int key)
{
	bool in_vm = v->page != PAGE_VMS;

	switch (key) {
	case '\n':
	case KEY_RETURN:
	case KEY_ENTER:
	case KEY_RIGHT:
	case 'l':
		if (!in_vm && v->table.nr_rows) {
			v->follow = true;
			go_to(v, PAGE_REGIONS);
		}
		return true;
	case KEY_ESCAPE:
	case KEY_LEFT:
	case KEY_BACKSPACE:
	case KEY_DELETE:
	case '\b':
		if (in_vm)
			go_to(v, PAGE_VMS);
		return true;
	case '\t':
		if (in_vm)
			go_to(v, v->page < NR_PAGES - 1 ? v->page + 1 :
							  PAGE_REGIONS);
		return true;
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
		if (in_vm)
			go_to(v, PAGE_REGIONS + (enum page)(key - '1'));
		return true;
	default:
		return false;
	}
}

static void sort_by(struct view *v, size_t column)
{
	v->sort[v->page].column = column;
	v->sort[v->page].reverse = false;
}

static bool sort_key(struct view *v, int key)
{
	size_t columns = v->table.nr_columns;
	size_t column = v->sort[v->page].column;

	if (!strchr("sSr", key))
		return false;
	if (v->page == PAGE_LATENCY || !columns)
		return true;
	if (key == 's')
		sort_by(v, (column + 1) % columns);
	else if (key == 'S')
		sort_by(v, (column + columns - 1) % columns);
	else
		v->sort[v->page].reverse = !v->sort[v->page].reverse;
	return true;
}

static void set_unit(struct view *v, enum unit unit)
{
	v->unit = unit;
	/* Its totals and rates stand side by side. */
	v->sort[PAGE_COUNTERS].column = unit == UNIT_RATE ? 3 : 2;
}

static void change_interval(struct view *v, bool longer)
{
	static const double steps[] = { 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60 };
	const size_t n = sizeof(steps) / sizeof(*steps);

	for (size_t i = 0; i < n; i++) {
		double step = longer ? steps[i] : steps[n - 1 - i];

		if (longer ? step > v->interval : step < v->interval) {
			v->interval = step;
			return;
		}
	}
}

/* Returns whether to go on. */
static bool on_key(struct view *v, int key)
{
	if (key == 'q')
		return false;
	if (key == KEY_RESIZE)
		return true;
	if (v->help) {
		v->help = false;
		return true;
	}
	*v->message = '\0';
	/* Above are the codes of special keys, which strchr() would cut. */
	if (move_key(v, key) || page_key(v, key) ||
	    (key < 256 && sort_key(v, key)))
		return true;
	switch (key) {
	case 'h':
	case '?':
		v->help = true;
		break;
	case 't':
		set_unit(v, v->unit == UNIT_RATE ? UNIT_TOTAL : UNIT_RATE);
		break;
	case 'p':
	case ' ':
		v->paused = !v->paused;
		break;
	case '+':
	case '=':
	case '-':
		change_interval(v, key != '-');
		break;
	}
	return true;
}

/* ---- the loop ----------------------------------------------------------- */

static double monotone(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int ms_until(double when)
{
	double ms = (when - monotone()) * 1000;

	/* A poll() that ends early only goes around once more. */
	return ms <= 0 ? 0 : ms > 60000 ? 60000 : (int)ms + 1;
}

/*
 * All keys that there are.  A resized terminal is a key, too, which ncurses
 * makes when a signal has ended poll().  Returns whether to go on.
 */
static bool read_keys(struct view *v)
{
	int key;

	while ((key = getch()) != ERR) {
		if (!on_key(v, key))
			return false;
		/* The next key is about what this one has changed. */
		if (view_draw(v))
			return true;
	}
	return true;
}

/*
 * @left: samples until the end, 0 for no end.  Returns 0, -errno, or the
 * signal that ended it.
 */
static int loop(struct view *v, unsigned long left, int signals)
{
	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				{ .fd = signals, .events = POLLIN } };
	struct signalfd_siginfo info;
	double next = v->now.monotone;
	int ret;

	for (;;) {
		ret = view_draw(v);
		if (ret)
			return ret;
		ret = poll(fds, 2,
			   v->paused ? -1 : ms_until(next + v->interval));
		if (ret < 0 && errno != EINTR)
			return -errno;
		if (ret > 0 && fds[1].revents &&
		    read(signals, &info, sizeof(info)) == sizeof(info))
			return (int)info.ssi_signo;
		if (!read_keys(v))
			return 0;
		/* The terminal is gone: there will be no key any more. */
		if (ret > 0 && fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
			return SIGHUP;
		if (v->paused || monotone() < next + v->interval)
			continue;
		if (left && !--left)
			return 0;
		next = monotone();
		ret = next_sample(v);
		if (ret)
			return ret;
	}
}

static int on_terminal(struct view *v, const struct options *o, int signals,
		       char *why, size_t room)
{
	SCREEN *screen = newterm(NULL, stdout, stdin);
	int ret;

	if (!screen) {
		snprintf(why, room,
			 "this terminal is not known; TERM names it (--once, "
			 "--json, --csv and --prometheus do without)");
		return -ENOTTY;
	}
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	ret = loop(v, o->count, signals);
	endwin();
	delscreen(screen);
	return ret;
}

static void view_init(struct view *v, const struct options *o,
		      const struct tree *tree)
{
	memset(v, 0, sizeof(*v));
	v->tree = tree;
	v->only = o->vm;
	v->interval = o->interval;
	v->sort[PAGE_VMS].column = 3;
	v->sort[PAGE_REGIONS].column = 4;
	v->sort[PAGE_QUEUES].column = 3;
	v->sort[PAGE_VCPUS].reverse = true; /* numbers descend */
	set_unit(v, UNIT_RATE);
}

static void enter_only(struct view *v)
{
	const struct object *host = &v->now.host;

	if (!v->only || host->nr_children != 1)
		return;
	snprintf(v->vm, sizeof(v->vm), "%s", host->children[0].id);
	v->follow = true;
	go_to(v, PAGE_REGIONS);
}

int view_run(const struct options *o, const struct tree *tree, char *why,
	     size_t room)
{
	sigset_t ending, before;
	struct view v;
	int ret, signals;

	view_init(&v, o, tree);
	sigemptyset(&ending);
	sigaddset(&ending, SIGHUP);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGQUIT);
	sigaddset(&ending, SIGTERM);
	sigprocmask(SIG_BLOCK, &ending, &before);
	signals = signalfd(-1, &ending, SFD_CLOEXEC);
	ret = signals < 0 ? -errno : next_sample(&v);
	snprintf(why, room, "%s", strerror(ret < 0 ? -ret : 0));
	if (!ret) {
		enter_only(&v);
		ret = on_terminal(&v, o, signals, why, room);
		if (ret < 0 && ret != -ENOTTY)
			snprintf(why, room, "%s", strerror(-ret));
	}
	table_clear(&v.table);
	sample_clear(&v.now);
	if (signals >= 0)
		close(signals);
	/* Ctrl-C is a way to quit; of the others one dies. */
	if (ret > 0 && ret != SIGINT) {
		signal(ret, SIG_DFL);
		raise(ret);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return ret < 0 ? ret : 0;
}
