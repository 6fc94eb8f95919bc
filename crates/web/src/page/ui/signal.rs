//! Values, and what is done again when they change.
//!
//! ```text
//! signal.get()    notes the effect that runs as a reader
//! signal.set()    queues its readers; they run when the browser's current task is over, oldest first
//! ```
//!
//! What is made while an effect runs is its own: it ends when the effect runs again, and with it. As the older run first,
//! none runs that an older one is about to end.
use beeline_core::map::Map;
use std::{
    cell::{Cell, RefCell},
    mem,
    rc::{Rc, Weak},
};
use wasm_bindgen_futures::spawn_local;

thread_local! {
    static CURRENT: RefCell<Current> = const { RefCell::new(Current { owner: None, reads: false }) };
    /// By age.
    static QUEUE: RefCell<Map<u32, Weak<Effect>>> = RefCell::default();
    /// Made so far.
    static COUNT: Cell<u32> = const { Cell::new(0) };
}

/// A value that effects can read.
#[derive(Debug)]
pub(in crate::page) struct Signal<T> {
    value: RefCell<T>,
    readers: Readers,
}

impl<T> Signal<T> {
    pub(in crate::page) const fn new(value: T) -> Self {
        Self { value: RefCell::new(value), readers: Readers(RefCell::new(Vec::new())) }
    }

    pub(in crate::page) fn with<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        self.readers.track();
        self.with_untracked(look)
    }

    /// Looks without being told of changes.
    pub(in crate::page) fn with_untracked<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.value.borrow())
    }

    pub(in crate::page) fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let answer = change(&mut self.value.borrow_mut());
        self.readers.queue();
        answer
    }

    pub(in crate::page) fn set(&self, value: T) {
        drop(self.value.replace(value));
        self.readers.queue();
    }
}

impl<T: Clone> Signal<T> {
    pub(in crate::page) fn get(&self) -> T {
        self.with(T::clone)
    }

    /// A copy, without being told of changes.
    pub(in crate::page) fn get_untracked(&self) -> T {
        self.with_untracked(T::clone)
    }
}

/// Effects that read a signal since it was last set.
#[derive(Debug)]
struct Readers(RefCell<Vec<Reader>>);

#[derive(Debug)]
struct Reader {
    age: u32,
    effect: Weak<Effect>,
}

impl Readers {
    fn track(&self) {
        CURRENT.with_borrow(|current| {
            let Some(effect) = current.owner.as_ref().filter(|_| current.reads) else { return };
            let mut readers = self.0.borrow_mut();
            readers.retain(|reader| reader.effect.strong_count() > 0);
            if readers.iter().all(|reader| reader.age != effect.age) {
                readers.push(Reader { age: effect.age, effect: Rc::downgrade(effect) });
            }
        });
    }

    fn queue(&self) {
        let readers = self.0.take();
        QUEUE.with_borrow_mut(|queue| {
            if queue.is_empty() && !readers.is_empty() {
                spawn_local(async { run_queued() });
            }
            queue.extend(readers.into_iter().map(|reader| (reader.age, reader.effect)));
        });
    }
}

fn run_queued() {
    // Taken out one by one: what an effect sets may put a younger one in.
    let next = || QUEUE.with_borrow_mut(Map::pop_first);
    while let Some((_, effect)) = next() {
        if let Some(effect) = effect.upgrade() {
            effect.run();
        }
    }
}

/// Something that is done again when a signal changes that it read, and owner of what it made.
pub(super) struct Effect {
    /// Its number in the order in which they were made.
    age: u32,
    act: RefCell<Box<dyn FnMut()>>,
    own: RefCell<Vec<Rc<Effect>>>,
}

impl std::fmt::Debug for Effect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Effect({})", self.age)
    }
}

impl Effect {
    fn new(act: Box<dyn FnMut()>) -> Rc<Self> {
        let age = COUNT.get();
        COUNT.set(age + 1);
        Rc::new(Self { age, act: RefCell::new(act), own: RefCell::default() })
    }

    fn run(self: &Rc<Self>) {
        drop(self.own.take());
        within(Current { owner: Some(self.clone()), reads: true }, || (self.act.borrow_mut())());
    }
}

/// Does something now, and again when a signal changes that it read. Outside of any effect: as long as the page is.
pub(in crate::page) fn effect(act: impl FnMut() + 'static) {
    let effect = Effect::new(Box::new(act));
    effect.run();
    let owner = CURRENT.with_borrow(|current| current.owner.clone());
    match owner {
        Some(owner) => owner.own.borrow_mut().push(effect),
        None => mem::forget(effect),
    }
}

/// Keeps the effects that were made in `act`, which itself is none: what it reads is not noted.
pub(super) fn scope<R>(act: impl FnOnce() -> R) -> (Rc<Effect>, R) {
    let owner = Effect::new(Box::new(|| ()));
    let answer = within(Current { owner: Some(owner.clone()), reads: false }, act);
    (owner, answer)
}

struct Current {
    owner: Option<Rc<Effect>>,
    /// Whether it is a reader of what is read.
    reads: bool,
}

fn within<R>(current: Current, act: impl FnOnce() -> R) -> R {
    let before = CURRENT.replace(current);
    let answer = act();
    CURRENT.set(before);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts its runs.
    fn counted(read: impl Fn() + 'static) -> Rc<Cell<u32>> {
        let runs = Rc::new(Cell::new(0));
        let counter = runs.clone();
        effect(move || {
            counter.set(counter.get() + 1);
            read();
        });
        runs
    }

    /// Sets without a browser that would run what is queued.
    fn set<T>(signal: &Signal<T>, value: T) {
        signal.value.replace(value);
        let readers = signal.readers.0.take().into_iter();
        QUEUE.with_borrow_mut(|queue| queue.extend(readers.map(|reader| (reader.age, reader.effect))));
    }

    #[test]
    fn an_effect_runs_once_for_all_that_it_read_and_not_for_the_rest() {
        let [one, other, unread] = [0, 0, 0].map(|value| Rc::new(Signal::new(value)));
        let (a, b, c) = (one.clone(), other.clone(), unread.clone());
        let runs = counted(move || _ = (a.get(), b.get(), c.get_untracked()));

        set(&one, 1);
        set(&other, 1);
        run_queued();
        assert_eq!(runs.get(), 2);

        set(&unread, 1);
        run_queued();
        assert_eq!(runs.get(), 2);
        assert_eq!(one.readers.0.borrow().len(), 1, "read twice, it is one reader");
    }

    #[test]
    fn what_an_effect_made_ends_when_it_runs_again() {
        let signal = Rc::new(Signal::new(0));
        let inner_runs = Rc::new(Cell::new(0));
        let (outer, runs) = (signal.clone(), inner_runs.clone());
        effect(move || {
            outer.get();
            let (inner, runs) = (outer.clone(), runs.clone());
            effect(move || {
                inner.get();
                runs.set(runs.get() + 1);
            });
        });

        set(&signal, 1);
        run_queued();

        assert_eq!(inner_runs.get(), 2, "the first inner one does not run beside the second");
    }

    #[test]
    fn what_a_scope_reads_is_not_noted_and_what_it_made_ends_with_it() {
        let signal = Rc::new(Signal::new(0));
        let read = signal.clone();
        let (scope, runs) = scope(move || {
            read.get();
            counted(move || _ = read.get())
        });

        set(&signal, 1);
        run_queued();
        assert_eq!(runs.get(), 2);

        drop(scope);
        set(&signal, 2);
        run_queued();
        assert_eq!(runs.get(), 2);
    }
}
