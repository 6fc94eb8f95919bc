use beeline_sim::lanes::*; use beeline_sim::net::*; use std::time::Duration;
fn main(){
    let cells: &[(f64,u64,f64,f64)] = &[(20.,50,1.,0.),(20.,50,4.,0.),(20.,50,0.3,0.),(20.,20,1.,0.),(10.,100,1.,0.),(40.,50,1.,0.),(20.,50,1.,0.1),(20.,50,1.,1.)];
    for c in cells { print!("{c:?}: ");
        for (name, n, feed) in [("fed1",1,Feed::Buffered(65536)),("fed4",4,Feed::Buffered(65536)),("fed8",8,Feed::Buffered(65536)),("fed16",16,Feed::Buffered(65536)),("held1",1,Feed::Held(0)),("held2",1,Feed::Held(1))] {
            print!(" {name}");
            for seed in 1..4 {
            let path=Path::new(c.0,c.1,c.2,c.3);
            let feed = match feed { Feed::Held(k)=>Feed::Held(((k+1) as f64*path.bdp()) as u64+16384), f=>f};
            let mut l=Lanes::new(path,&vec![feed;n],seed);
            l.run(Duration::from_secs(8)); let a=l.total(); l.run(Duration::from_secs(8)); let b=l.total();
            print!(" {:.2}",(b-a) as f64*8./8e6);
            }
        } println!();
    }
}
